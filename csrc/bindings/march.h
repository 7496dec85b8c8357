#pragma once

#include "arrays.h"

// What marching is told about its grid.
struct OccupancyGrid {
    int32_t resolution, cascades;
    nsg::MarchSteps steps;
};

inline OccupancyGrid occupancy_grid(int resolution, int cascades, float step_min, float step_max, float cone_angle) {
    require(
        resolution >= 4 && resolution <= 512 && (resolution & (resolution - 1)) == 0,
        "resolution must be a power of two from 4 to 512");
    require(cascades >= 1 && cascades <= 8, "cascades must be 1 to 8");
    require(
        step_min > 0 && step_max >= step_min && cone_angle >= 0,
        "expected 0 < step_min <= step_max and cone_angle >= 0");
    return {resolution, cascades, {step_min, step_max, cone_angle}};
}

inline void bind_occupancy_grid(nb::module_& m) {
    nb::class_<OccupancyGrid>(m, "OccupancyGrid")
        .def(
            "__init__",
            [](OccupancyGrid* self, int resolution, int cascades, float step_min, float step_max, float cone_angle) {
                new (self) OccupancyGrid(occupancy_grid(resolution, cascades, step_min, step_max, cone_angle));
            },
            nb::arg("resolution"), nb::arg("cascades"), nb::arg("step_min"), nb::arg("step_max"),
            nb::arg("cone_angle"));
}

template <class B>
nsg::MarchRays march_rays(
    const In<B, 2>& origins, const In<B, 2>& directions, const In<B, 1>& near, const In<B, 1>& far,
    const std::optional<In<B, 1>>& jitter, const std::optional<In<B, 1>>& cursor, int64_t limit,
    const Array<B, const uint8_t, 1>& occupied, const In<B, 2>& box, const OccupancyGrid& grid) {
    const int64_t n = length(origins);
    expect("origins", origins, {n, 3});
    expect("directions", directions, {n, 3});
    expect("near", near, {n});
    expect("far", far, {n});
    if (jitter) expect("jitter", *jitter, {n});
    if (cursor) expect("cursor", *cursor, {n});
    expect("box", box, {2, 3});
    const int64_t side = grid.resolution;
    expect("occupied", occupied, {grid.cascades * side * side * side / 8});
    require(reinterpret_cast<uintptr_t>(occupied.data()) % 8 == 0, "occupied is not aligned to 8 bytes");
    require(limit >= 1, "limit must be 1 or more");
    return {n,     origins.data(),  directions.data(), near.data(),   far.data(), address(jitter), address(cursor),
            limit, occupied.data(), grid.resolution,   grid.cascades, box.data(), grid.steps};
}

template <class B>
void bind_march(nb::class_<B>& m) {
    using Bytes = Array<B, const uint8_t, 1>;
    using MaybeIn = std::optional<In<B, 1>>;
    define(
        m, "intersect_box", {"origins", "directions", "box", "near", "far"},
        [](const B& backend, In<B, 2> origins, In<B, 2> directions, In<B, 2> box, Out<B, 1> near, Out<B, 1> far) {
            const int64_t n = length(origins);
            expect("origins", origins, {n, 3});
            expect("directions", directions, {n, 3});
            expect("box", box, {2, 3});
            expect("near", near, {n});
            expect("far", far, {n});
            backend.run(nsg::IntersectBox{n, origins.data(), directions.data(), box.data(), near.data(), far.data()});
        });
    define(
        m, "march_count",
        {"origins", "directions", "near", "far", "jitter", "cursor", "limit", "occupied", "box", "grid", "counts"},
        [](const B& backend, In<B, 2> origins, In<B, 2> directions, In<B, 1> near, In<B, 1> far, MaybeIn jitter,
           MaybeIn cursor, int64_t limit, Bytes occupied, In<B, 2> box, const OccupancyGrid& grid,
           Array<B, int64_t, 1> counts) {
            const nsg::MarchRays rays =
                march_rays<B>(origins, directions, near, far, jitter, cursor, limit, occupied, box, grid);
            expect("counts", counts, {rays.rays});
            backend.run(nsg::MarchCount{rays, counts.data()});
        });
    define(
        m, "march_write",
        {"origins", "directions", "near", "far", "jitter", "cursor", "limit", "occupied", "box", "grid", "offsets",
         "starts", "ends", "rays", "next"},
        [](const B& backend, In<B, 2> origins, In<B, 2> directions, In<B, 1> near, In<B, 1> far, MaybeIn jitter,
           MaybeIn cursor, int64_t limit, Bytes occupied, In<B, 2> box, const OccupancyGrid& grid,
           Indices<B, 1> offsets, Out<B, 1> starts, Out<B, 1> ends, Array<B, int64_t, 1> rays,
           std::optional<Out<B, 1>> next) {
            const nsg::MarchRays a =
                march_rays<B>(origins, directions, near, far, jitter, cursor, limit, occupied, box, grid);
            const int64_t n = length(starts);
            expect("offsets", offsets, {a.rays + 1});
            num_rays<B>(offsets, n);
            expect("ends", ends, {n});
            expect("rays", rays, {n});
            if (next) expect("next", *next, {a.rays});
            backend.run(nsg::MarchWrite{a, n, offsets.data(), starts.data(), ends.data(), rays.data(), address(next)});
        });
}
