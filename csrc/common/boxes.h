// Rays through oriented boxes: which of the boxes of its frame a ray goes through, and where.
//
// The boxes of a frame stand in groups of kFan, and so do the groups; each has bounds along the world's axes. A ray
// looks at all bounds of a block at once, goes on where it meets them, and tries the boxes that are left. Bounds are
// wider than what they hold by far more than rounding, so they never decide. Computed without fused multiply-add, as
// marching is: every backend and the definition find the same hits to the last bit.
#pragma once

#include "march.h"

namespace nsg {

constexpr int kFan = 16;
constexpr int kBlockFloats = 6 * kFan;  // of kFan bounds: the middles along x, y and z, then half of the sizes

// What both passes need. world_to_box maps each box to the cube from -1 to 1. A slot of a group is empty or has the row
// of a box; groups of a frame lie side by side, and so do its blocks of bounds of groups.
struct BoxRays {
    int64_t rays, boxes, frames, groups;
    const float *origins, *directions;
    const int64_t* ray_frames;
    const float* world_to_box;
    const int64_t* slots;       // frames x groups x kFan; -1 where empty
    const float* box_bounds;    // frames x groups blocks
    const float* group_bounds;  // frames x ceil(groups / kFan) blocks
};

struct BoxHitsCount {
    BoxRays rays;
    int64_t* counts;
};

struct BoxHitsWrite {
    BoxRays rays;
    int64_t hits;
    const int64_t* offsets;
    float *entries, *exits;
    int64_t *ray_indices, *rows;
};

// Entry and exit of a ray; both 0 where the box is missed. A ray without a direction, which never leaves, hits nothing.
NSG_HD Span intersect_oriented_box(const float* origin, const float* direction, const float* world_to_box) {
    const float lower[3] = {-1.0f, -1.0f, -1.0f}, upper[3] = {1.0f, 1.0f, 1.0f};
    float start[3], along[3];
    for (int d = 0; d < 3; ++d) {
        const float* row = world_to_box + 4 * d;
        start[d] = row[0] * origin[0] + row[1] * origin[1] + row[2] * origin[2] + row[3];
        along[d] = row[0] * direction[0] + row[1] * direction[1] + row[2] * direction[2];
    }
    const Span span = intersect_box(start, along, lower, upper);
    return span.far < INFINITY ? span : Span{0.0f, 0.0f};
}

// A ray as bounds see it: with a speed of 1 along its fastest axis, creeping along those that it does not move on.
struct Probe {
    float inverse[3], start[3], size[3], margin[3];
};

NSG_HD Probe probe(const float* origin, const float* direction) {
    Probe p;
    const float fastest = greatest(fabsf(direction[0]), greatest(fabsf(direction[1]), fabsf(direction[2])));
    const float rounding = 1e-5f * (fabsf(origin[0]) + fabsf(origin[1]) + fabsf(origin[2]));
    for (int d = 0; d < 3; ++d) {
        p.size[d] = fastest / greatest(fabsf(direction[d]), 1e-15f * fastest);
        p.inverse[d] = direction[d] < 0.0f ? -p.size[d] : p.size[d];
        p.start[d] = origin[d] * p.inverse[d];
        p.margin[d] = rounding * p.size[d];
    }
    return p;
}

// Narrows a span to what lies between the k-th bounds of a block along axis d.
NSG_HD Span between(Span span, const Probe& p, const float* block, int d, int k) {
    const float middle = block[kFan * d + k] * p.inverse[d] - p.start[d];
    const float reach = block[kFan * (3 + d) + k] * p.size[d] + p.margin[d];
    return {greatest(middle - reach, span.near), least(middle + reach, span.far)};
}

// Bit k says whether the ray may meet the k-th bounds of a block. What is not a number excludes nothing.
NSG_HD uint32_t met(const Probe& p, const float* block) {
    float room[kFan];  // kept for a second loop, so that this one is vectorized
    for (int k = 0; k < kFan; ++k) {
        Span span = between({0.0f, INFINITY}, p, block, 0, k);
        span = between(span, p, block, 1, k);
        span = between(span, p, block, 2, k);
        room[k] = span.far - span.near;
    }
    uint32_t bits = 0;
    for (int k = 0; k < kFan; ++k) bits |= static_cast<uint32_t>(!(room[k] < 0.0f)) << k;
    return bits;
}

NSG_HD int lowest_bit(uint32_t bits) {
#if defined(__CUDA_ARCH__)
    return __ffs(static_cast<int>(bits)) - 1;
#else
    return __builtin_ctz(bits);
#endif
}

// Calls hit(row, span) for each box of its frame that a ray goes through, in the order of slots.
template <class Hit>
NSG_HD void find_hits(const BoxRays& a, int64_t r, Hit hit) {
    const float *origin = a.origins + 3 * r, *direction = a.directions + 3 * r;
    const Probe ray = probe(origin, direction);
    const int64_t frame = a.ray_frames[r], blocks = (a.groups + kFan - 1) / kFan;
    for (int64_t block = 0; block < blocks; ++block) {
        uint32_t groups = met(ray, a.group_bounds + (frame * blocks + block) * kBlockFloats);
        for (; groups; groups &= groups - 1) {
            const int64_t within = block * kFan + lowest_bit(groups), group = frame * a.groups + within;
            if (within >= a.groups) break;  // no bounds exclude a ray that is not a number
            uint32_t boxes = met(ray, a.box_bounds + group * kBlockFloats);
            for (; boxes; boxes &= boxes - 1) {
                const int64_t row = a.slots[group * kFan + lowest_bit(boxes)];
                if (row < 0) continue;
                const Span span = intersect_oriented_box(origin, direction, a.world_to_box + 12 * row);
                if (span.near < span.far) hit(row, span);
            }
        }
    }
}

NSG_HD int64_t count_hits(const BoxRays& a, int64_t r) {
    int64_t count = 0;
    find_hits(a, r, [&](int64_t, Span) { ++count; });
    return count;
}

// Whether a hit comes before another of the same ray: nearest entry first, then exit, then row.
NSG_HD bool comes_before(Span a, int64_t a_row, Span b, int64_t b_row) {
    if (a.near != b.near) return a.near < b.near;
    return a.far != b.far ? a.far < b.far : a_row < b_row;
}

// Writes the hits of a ray where they belong, each inserted among those found before.
NSG_HD void write_hits(const BoxHitsWrite& a, int64_t r) {
    const int64_t first = a.offsets[r], end = a.offsets[r + 1];
    int64_t until = first;
    if (first == end) return;
    find_hits(a.rays, r, [&](int64_t row, Span span) {
        if (until == end) return;
        int64_t at = until++;
        for (; at > first && comes_before(span, row, {a.entries[at - 1], a.exits[at - 1]}, a.rows[at - 1]); --at) {
            a.entries[at] = a.entries[at - 1];
            a.exits[at] = a.exits[at - 1];
            a.rows[at] = a.rows[at - 1];
        }
        a.entries[at] = span.near;
        a.exits[at] = span.far;
        a.rows[at] = row;
    });
    for (int64_t at = first; at < end; ++at) a.ray_indices[at] = r;
}

}  // namespace nsg
