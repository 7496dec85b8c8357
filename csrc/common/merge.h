// Samples of several nodes on the same rays, merged by depth: those of a background, packed in ray order, and behind
// them in memory equally many for each hit of a ray and a box, whatever the order of the hits.
#pragma once

#include "platform.h"

namespace nsg {

// hits are the hits of each ray, those of ray r from hit_offsets[r] to hit_offsets[r + 1], nearest first. A point
// sample ends where the next sample of its ray begins, and the last one `endless` further on.
struct MergeByDepth {
    int64_t rays, samples, background, per_hit;  // background: how many of the samples are its own
    const float *starts, *ends;
    const int64_t *offsets, *hits, *hit_offsets;
    bool background_is_points, hits_are_points;
    float endless;
    float *merged_starts, *merged_ends, *places;
    int64_t *order, *ray_indices;
};

NSG_HD bool is_nearer(const float* starts, int64_t i, int64_t j) {
    return starts[i] != starts[j] ? starts[i] < starts[j] : i < j;
}

// Merges the samples from `first` on into `count` that are in order, from the far end on, so that it needs no other
// memory.
NSG_HD void merge_into(int64_t* order, int64_t count, int64_t first, int64_t added, const float* starts) {
    int64_t near = count - 1, new_near = first + added - 1;
    for (int64_t at = count + added - 1; new_near >= first; --at) {
        order[at] = near >= 0 && is_nearer(starts, new_near, order[near]) ? order[near--] : new_near--;
    }
}

// Costs one comparison for each sample where all are in order already.
NSG_HD void sort_by_insertion(int64_t* order, int64_t count, const float* starts) {
    for (int64_t i = 1; i < count; ++i) {
        const int64_t sample = order[i];
        int64_t at = i;
        for (; at > 0 && is_nearer(starts, sample, order[at - 1]); --at) order[at] = order[at - 1];
        order[at] = sample;
    }
}

NSG_HD void merge_ray(const MergeByDepth& a, int64_t r) {
    const int64_t begin = a.offsets[r] + a.per_hit * a.hit_offsets[r];
    int64_t* order = a.order + begin;
    int64_t count = a.offsets[r + 1] - a.offsets[r];
    for (int64_t i = 0; i < count; ++i) order[i] = a.offsets[r] + i;
    for (int64_t h = a.hit_offsets[r]; h < a.hit_offsets[r + 1]; ++h) {
        merge_into(order, count, a.background + a.per_hit * a.hits[h], a.per_hit, a.starts);
        count += a.per_hit;
    }
    sort_by_insertion(order, count, a.starts);  // planes may be met in another order than that of their samples
    for (int64_t k = 0; k < count; ++k) {
        const float start = a.starts[order[k]];
        const bool is_point = order[k] < a.background ? a.background_is_points : a.hits_are_points;
        float end = a.ends[order[k]];
        if (is_point) end = k + 1 < count ? a.starts[order[k + 1]] : start + a.endless;
        a.merged_starts[begin + k] = start;
        a.merged_ends[begin + k] = end;
        a.places[begin + k] = is_point ? start : 0.5f * (start + end);
        a.ray_indices[begin + k] = r;
    }
}

}  // namespace nsg
