#pragma once

#include "arrays.h"

template <class B>
nsg::BoxRays box_rays(
    const In<B, 2>& origins, const In<B, 2>& directions, const Indices<B, 1>& frames, const In<B, 3>& world_to_box,
    const Indices<B, 3>& slots, const In<B, 4>& box_bounds, const In<B, 4>& group_bounds) {
    const int64_t n = length(origins), boxes = length(world_to_box), times = length(slots);
    const auto groups = static_cast<int64_t>(slots.shape(1));
    expect("origins", origins, {n, 3});
    expect("directions", directions, {n, 3});
    expect("frames", frames, {n});
    expect("world_to_box", world_to_box, {boxes, 3, 4});
    expect("slots", slots, {times, groups, nsg::kFan});
    expect("box_bounds", box_bounds, {times, groups, 6, nsg::kFan});
    expect("group_bounds", group_bounds, {times, (groups + nsg::kFan - 1) / nsg::kFan, 6, nsg::kFan});
    expect_below<B, 1>("frames", frames, 0, times);
    expect_below<B, 3>("slots", slots, -1, boxes);
    return {
        n,
        boxes,
        times,
        groups,
        origins.data(),
        directions.data(),
        frames.data(),
        world_to_box.data(),
        slots.data(),
        box_bounds.data(),
        group_bounds.data()};
}

template <class B>
void bind_boxes(nb::class_<B>& m) {
    define(
        m, "box_hits_count",
        {"origins", "directions", "frames", "world_to_box", "slots", "box_bounds", "group_bounds", "counts"},
        [](const B& backend, In<B, 2> origins, In<B, 2> directions, Indices<B, 1> frames, In<B, 3> world_to_box,
           Indices<B, 3> slots, In<B, 4> box_bounds, In<B, 4> group_bounds, Array<B, int64_t, 1> counts) {
            const nsg::BoxRays rays =
                box_rays<B>(origins, directions, frames, world_to_box, slots, box_bounds, group_bounds);
            expect("counts", counts, {rays.rays});
            backend.run(nsg::BoxHitsCount{rays, counts.data()});
        });
    define(
        m, "box_hits_write",
        {"origins", "directions", "frames", "world_to_box", "slots", "box_bounds", "group_bounds", "offsets", "entries",
         "exits", "rays", "rows"},
        [](const B& backend, In<B, 2> origins, In<B, 2> directions, Indices<B, 1> frames, In<B, 3> world_to_box,
           Indices<B, 3> slots, In<B, 4> box_bounds, In<B, 4> group_bounds, Indices<B, 1> offsets, Out<B, 1> entries,
           Out<B, 1> exits, Array<B, int64_t, 1> ray_indices, Array<B, int64_t, 1> rows) {
            const nsg::BoxRays rays =
                box_rays<B>(origins, directions, frames, world_to_box, slots, box_bounds, group_bounds);
            const int64_t n = length(entries);
            expect("offsets", offsets, {rays.rays + 1});
            num_rays<B>(offsets, n);
            expect("exits", exits, {n});
            expect("rays", ray_indices, {n});
            expect("rows", rows, {n});
            backend.run(
                nsg::BoxHitsWrite{
                    rays, n, offsets.data(), entries.data(), exits.data(), ray_indices.data(), rows.data()});
        });
}
