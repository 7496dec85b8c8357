#pragma once

#include "arrays.h"

template <class B>
void bind_occupancy(nb::class_<B>& m) {
    define(
        m, "update_occupancy", {"grid", "cells", "values", "decay", "updated"},
        [](const B& backend, In<B, 1> grid, Indices<B, 1> cells, In<B, 1> values, double decay, Out<B, 1> updated) {
            const int64_t visits = length(cells);
            expect("values", values, {visits});
            expect("updated", updated, {length(grid)});
            require(grid.data() != updated.data() || length(grid) == 0, "updated must be another array than grid");
            expect_below<B, 1>("cells", cells, 0, length(grid));
            backend.run(
                nsg::UpdateOccupancy{
                    length(grid), visits, grid.data(), cells.data(), values.data(), static_cast<float>(decay),
                    updated.data()});
        });
    define(
        m, "is_invisible",
        {"points", "camera_to_world", "focal_px", "center_px", "width", "height", "near", "invisible"},
        [](const B& backend, In<B, 2> points, In<B, 3> camera_to_world, In<B, 2> focal_px, In<B, 2> center_px,
           int width, int height, double near, Array<B, bool, 1> invisible) {
            const int64_t n = length(points), images = length(camera_to_world);
            expect("points", points, {n, 3});
            expect("camera_to_world", camera_to_world, {images, 3, 4});
            expect("focal_px", focal_px, {images, 2});
            expect("center_px", center_px, {images, 2});
            expect("invisible", invisible, {n});
            backend.run(
                nsg::IsInvisible{
                    n, images, points.data(), camera_to_world.data(), focal_px.data(), center_px.data(),
                    static_cast<float>(width), static_cast<float>(height), static_cast<float>(near), invisible.data()});
        });
}
