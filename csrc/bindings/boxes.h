#pragma once

#include "arrays.h"

template <class B>
void bind_boxes(nb::class_<B>& m) {
    define(
        m, "intersect_boxes", {"origins", "directions", "world_to_box", "candidates", "near", "far"},
        [](const B& backend, In<B, 2> origins, In<B, 2> directions, In<B, 3> world_to_box, Indices<B, 2> candidates,
           Out<B, 2> near, Out<B, 2> far) {
            const int64_t n = length(origins), boxes = length(world_to_box);
            const auto slots = static_cast<int64_t>(candidates.shape(1));
            expect("origins", origins, {n, 3});
            expect("directions", directions, {n, 3});
            expect("world_to_box", world_to_box, {boxes, 3, 4});
            expect("candidates", candidates, {n, slots});
            expect("near", near, {n, slots});
            expect("far", far, {n, slots});
            expect_below<B, 2>("candidates", candidates, -1, boxes);
            backend.run(
                nsg::IntersectBoxes{
                    n, slots, boxes, origins.data(), directions.data(), world_to_box.data(), candidates.data(),
                    near.data(), far.data()});
        });
}
