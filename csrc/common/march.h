// Rays through boxes and occupancy grids.
//
// Cascade 0 of a grid is the box, cascade c the box scaled by 2^c about its center; each has resolution^3 cells, one
// bit each, in Morton order, cascade after cascade. Samples stand at places t_0 = first, t_(k+1) = t_k + step(t_k),
// which do not depend on the grid: with a step of constant length t_k = first + k step. All of this is computed without
// fused multiply-add, so that every backend and the definition keep the same samples to the last bit.
#pragma once

#include "platform.h"

namespace nsg {

struct IntersectBox {
    int64_t rays;
    const float *origins, *directions, *box;
    float *near, *far;
};

struct MarchSteps {
    float shortest, longest, cone_angle;
};

// What both passes need. jitter and cursor may be null. A ray goes on from its cursor, and stops after `limit` samples.
struct MarchRays {
    int64_t rays;
    const float *origins, *directions, *near, *far, *jitter, *cursor;
    int64_t limit;
    const uint8_t* occupied;  // aligned to 8 bytes
    int32_t resolution, cascades;
    const float* box;
    MarchSteps steps;
};

struct MarchCount {
    MarchRays rays;
    int64_t* counts;
};

// next is where each ray goes on; it may be null.
struct MarchWrite {
    MarchRays rays;
    int64_t samples;
    const int64_t* offsets;
    float *starts, *ends;
    int64_t* indices;
    float* next;
};

// Spreads the low 10 bits of x to every third bit.
NSG_HD uint32_t spread_bits(uint32_t x) {
    x = (x | x << 16) & 0x030000FFu;
    x = (x | x << 8) & 0x0300F00Fu;
    x = (x | x << 4) & 0x030C30C3u;
    return (x | x << 2) & 0x09249249u;
}

NSG_HD uint32_t morton_code(uint32_t x, uint32_t y, uint32_t z) {
    return spread_bits(x) | spread_bits(y) << 1 | spread_bits(z) << 2;
}

NSG_HD float step_length(const MarchSteps& steps, float t) {
    if (steps.cone_angle == 0.0f) return steps.shortest;
    return least(steps.longest, greatest(steps.shortest, t * steps.cone_angle));
}

struct Span {
    float near, far;
};

// The slab test. Comparisons step over the NaN of a ray that runs within a face (0 / 0).
NSG_HD Span intersect_box(const float* origin, const float* direction, const float* lower, const float* upper) {
    float near = 0.0f, far = INFINITY;
    for (int d = 0; d < 3; ++d) {
        const float a = (lower[d] - origin[d]) / direction[d], b = (upper[d] - origin[d]) / direction[d];
        const float entry = fminf(a, b), leave = fmaxf(a, b);
        if (!(entry <= leave)) return {0.0f, 0.0f};  // both are NaN
        near = greatest(entry, near);
        far = least(leave, far);
    }
    return near < far ? Span{near, far} : Span{0.0f, 0.0f};
}

NSG_HD bool is_finite(float x) { return x - x == 0.0f; }

// A ray within a grid, prepared for marching.
struct March {
    const uint8_t* occupied;
    int32_t resolution, cascades;
    uint32_t cells;  // of a cascade
    MarchSteps steps;
    float origin[3], direction[3];
    float lower[3], inverse_size[3];
    float cell_rate;  // cells of cascade 0 in a scene unit
    float pace[3];    // distance along the ray from one cell of cascade 0 to the next
    float margin;     // rounding error of a position, in cells of cascade 0
    float first, far, entry;
};

// Returns false if the ray has no samples.
NSG_HD bool begin_march(const MarchRays& a, int64_t r, March& m) {
    m.occupied = a.occupied;
    m.resolution = a.resolution;
    m.cascades = a.cascades;
    m.cells = static_cast<uint32_t>(a.resolution) * a.resolution * a.resolution;
    m.steps = a.steps;
    float longest = 0.0f, reach = 0.0f, lower[3], upper[3];
    for (int d = 0; d < 3; ++d) {
        m.origin[d] = a.origins[3 * r + d];
        m.direction[d] = a.directions[3 * r + d];
        m.lower[d] = a.box[d];
        const float size = a.box[3 + d] - a.box[d];
        m.inverse_size[d] = 1.0f / size;
        longest = greatest(size, longest);
        const float center = 0.5f * (a.box[d] + a.box[3 + d]);
        const float half = 0.5f * size * static_cast<float>(1 << (a.cascades - 1));
        lower[d] = center - half;
        upper[d] = center + half;
        const float speed = m.direction[d] * m.inverse_size[d] * static_cast<float>(a.resolution);
        m.pace[d] = speed != 0.0f ? 1.0f / speed : INFINITY;
        reach = greatest(fabsf(m.origin[d]) + fabsf(lower[d]), reach);
    }
    m.cell_rate = static_cast<float>(a.resolution) / longest;
    const float near = a.near[r];
    m.first = a.jitter ? near + a.jitter[r] * step_length(m.steps, near) : near;
    const Span outer = intersect_box(m.origin, m.direction, lower, upper);
    m.entry = outer.near;
    m.far = least(outer.far, a.far[r]);
    m.margin = 1e-6f * (reach + fabsf(m.first) + fabsf(m.far));
    float smallest = m.inverse_size[0];
    for (int d = 1; d < 3; ++d) smallest = greatest(m.inverse_size[d], smallest);
    m.margin *= smallest * static_cast<float>(a.resolution);
    return outer.near < outer.far && is_finite(m.first) && is_finite(m.far) && near < m.far;
}

// What the grid says about a place: occupied, or empty for a distance.
struct Look {
    bool is_occupied;
    float empty_for;  // distance along the ray for which all is empty; 0 if unknown
    int32_t cascade;
};

NSG_HD uint64_t load_word(const uint8_t* from) {
#if defined(__CUDA_ARCH__)
    return *reinterpret_cast<const uint64_t*>(from);
#else
    uint64_t word;
    __builtin_memcpy(&word, from, sizeof word);
    return word;
#endif
}

NSG_HD Look look(const March& m, float t, float length) {
    float centered[3], extent = 0.0f;
    for (int d = 0; d < 3; ++d) {
        const float position = m.origin[d] + m.direction[d] * t;
        centered[d] = (position - m.lower[d]) * m.inverse_size[d] - 0.5f;
        extent = greatest(fabsf(centered[d]), extent);
    }
    const float cells_long = length * m.cell_rate;
    int32_t cascade = 0;
    float side = 1.0f;  // 2^cascade
    while (cascade + 1 < m.cascades && (extent >= 0.5f * side || cells_long > side)) {
        ++cascade;
        side *= 2.0f;
    }
    if (!(extent < 0.5f * static_cast<float>(1 << (m.cascades - 1)))) return {false, 0.0f, cascade};
    float place[3];
    uint32_t cell[3];
    for (int d = 0; d < 3; ++d) {
        place[d] = (centered[d] * (1.0f / side) + 0.5f) * static_cast<float>(m.resolution);
        const int32_t whole = static_cast<int32_t>(place[d]);
        cell[d] = static_cast<uint32_t>(whole < 0 ? 0 : whole < m.resolution ? whole : m.resolution - 1);
    }
    const uint32_t index = static_cast<uint32_t>(cascade) * m.cells + morton_code(cell[0], cell[1], cell[2]);
    // In Morton order the bits of 4 x 4 x 4 cells are one word. Such a block lies on one side of the border of the next
    // finer cascade, if that border is a multiple of 4 cells.
    const bool has_blocks = m.resolution >= 16 || (m.cascades == 1 && m.resolution >= 4);
    uint32_t region = 1;
    if (has_blocks) {
        const uint64_t word = load_word(m.occupied + (index >> 6) * 8);
        if (word >> (index & 63u) & 1u) return {true, 0.0f, cascade};
        if (word == 0) region = 4;
    } else if (m.occupied[index >> 3] >> (index & 7u) & 1) {
        return {true, 0.0f, cascade};
    }
    float distance = INFINITY;
    for (int d = 0; d < 3; ++d) {
        const float low = static_cast<float>(cell[d] / region * region);
        const float way = m.pace[d] >= 0.0f ? low + static_cast<float>(region) - place[d] : low - place[d];
        const float shrunk = m.pace[d] >= 0.0f ? way - m.margin : way + m.margin;
        distance = least(shrunk * m.pace[d] * side, distance);
    }
    return {false, distance, cascade};
}

// Calls emit(start, end) for each sample in order, until it returns false. Returns where the next sample would stand.
template <class Emit>
NSG_HD float march_even(const March& m, float cursor, Emit emit) {
    const float step = m.steps.shortest, inverse = 1.0f / step;
    // Two places early: the bounds are rounded, and places outside the grid cost little.
    const float skipped = (greatest(cursor - step, m.entry - step) - m.first) * inverse - 1.0f;
    int64_t k = skipped > 0.0f ? static_cast<int64_t>(skipped) : 0;
    while (true) {
        const float start = m.first + static_cast<float>(k) * step;
        const float end = m.first + static_cast<float>(k + 1) * step;
        const float middle = 0.5f * (start + end);
        if (!(middle < m.far)) return INFINITY;
        if (start < cursor) {
            ++k;
            continue;
        }
        const Look seen = look(m, middle, end - start);
        if (seen.is_occupied) {
            if (!emit(start, end)) return end;
            ++k;
        } else {
            const float jump = least(seen.empty_for, m.far - middle) * inverse;
            k += jump > 0.0f ? static_cast<int64_t>(jump) + 1 : 1;
        }
    }
}

template <class Emit>
NSG_HD float march_cone(const March& m, float cursor, Emit emit) {
    float start = m.first;
    while (true) {
        float end = start + step_length(m.steps, start);
        float middle = 0.5f * (start + end);
        // A step that is lost in the rounding of its distance would never end.
        if (!(middle < m.far) || !(end > start)) return INFINITY;
        if (start < cursor || end < m.entry) {
            start = end;
            continue;
        }
        const Look seen = look(m, middle, end - start);
        if (seen.is_occupied) {
            if (!emit(start, end)) return end;
            start = end;
            continue;
        }
        // What was seen holds as long as longer steps do not ask for a coarser cascade.
        const float until = middle + seen.empty_for;
        const bool is_coarsest = seen.cascade + 1 == m.cascades;
        const float longest = static_cast<float>(1 << seen.cascade);
        do {
            start = end;
            end = start + step_length(m.steps, start);
            middle = 0.5f * (start + end);
        } while (end > start && middle < until && middle < m.far &&
                 (is_coarsest || (end - start) * m.cell_rate <= longest));
    }
}

template <class Emit>
NSG_HD float march_ray(const MarchRays& a, int64_t r, Emit emit) {
    March m;
    if (!begin_march(a, r, m)) return INFINITY;
    const float cursor = a.cursor ? a.cursor[r] : -INFINITY;
    if (!(cursor < m.far)) return INFINITY;
    return a.steps.cone_angle == 0.0f ? march_even(m, cursor, emit) : march_cone(m, cursor, emit);
}

}  // namespace nsg
