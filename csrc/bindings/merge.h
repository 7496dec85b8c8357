#pragma once

#include "arrays.h"

template <class B>
void bind_merge(nb::class_<B>& m) {
    using Counts = Array<B, int64_t, 1>;
    define(
        m, "merge_by_depth",
        {"starts", "ends", "offsets", "hits", "hit_offsets", "per_hit", "background_is_points", "hits_are_points",
         "endless", "merged_starts", "merged_ends", "places", "order", "rays"},
        [](const B& backend, In<B, 1> starts, In<B, 1> ends, Indices<B, 1> offsets, Indices<B, 1> hits,
           Indices<B, 1> hit_offsets, int64_t per_hit, bool background_is_points, bool hits_are_points, double endless,
           Out<B, 1> merged_starts, Out<B, 1> merged_ends, Out<B, 1> places, Counts order, Counts ray_indices) {
            const int64_t n = length(starts), num_hits = length(hits), background = n - per_hit * num_hits;
            require(per_hit >= 1 && background >= 0, "per_hit must be 1 or more, and fit the number of samples");
            const int64_t rays = num_rays<B>(offsets, background);
            expect("ends", ends, {n});
            expect("hit_offsets", hit_offsets, {rays + 1});
            num_rays<B>(hit_offsets, num_hits);
            expect_below<B, 1>("hits", hits, 0, num_hits);
            expect("merged_starts", merged_starts, {n});
            expect("merged_ends", merged_ends, {n});
            expect("places", places, {n});
            expect("order", order, {n});
            expect("rays", ray_indices, {n});
            backend.run(
                nsg::MergeByDepth{
                    rays, n, background, per_hit, starts.data(), ends.data(), offsets.data(), hits.data(),
                    hit_offsets.data(), background_is_points, hits_are_points, static_cast<float>(endless),
                    merged_starts.data(), merged_ends.data(), places.data(), order.data(), ray_indices.data()});
        });
}
