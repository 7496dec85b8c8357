#pragma once

#include "arrays.h"

inline nsg::HashGrid hash_grid(
    const std::vector<float>& scales, const std::vector<uint32_t>& resolutions, const std::vector<uint32_t>& offsets,
    int features) {
    const size_t levels = scales.size();
    require(
        levels >= 1 && levels <= nsg::kMaxLevels && resolutions.size() == levels && offsets.size() == levels + 1,
        "HashGrid: expected 1 to 32 scales, as many resolutions, and one offset more");
    require(
        features == 1 || features == 2 || features == 4 || features == 8, "HashGrid: features must be 1, 2, 4 or 8");
    nsg::HashGrid grid = {static_cast<int32_t>(levels), features, {}};
    for (size_t l = 0; l < levels; ++l) {
        const uint32_t size = offsets[l + 1] - offsets[l];
        grid.level[l] = {scales[l], resolutions[l], offsets[l], size};
        const bool is_power = (size & (size - 1)) == 0;
        const bool is_dense = static_cast<double>(resolutions[l]) * resolutions[l] * resolutions[l] <= size;
        const bool fits = scales[l] >= 0 && scales[l] <= static_cast<float>(resolutions[l]) - 1.0f;
        require(
            offsets[l + 1] > offsets[l] && (is_dense || is_power) && fits && (resolutions[l] > 1 || size > 3),
            "HashGrid: level " + std::to_string(l) + " is inconsistent");
    }
    return grid;
}

inline void bind_hash_grid(nb::module_& m) {
    nb::class_<nsg::HashGrid>(m, "HashGrid")
        .def(
            "__init__",
            [](nsg::HashGrid* self, const std::vector<float>& scales, const std::vector<uint32_t>& resolutions,
               const std::vector<uint32_t>& offsets,
               int features) { new (self) nsg::HashGrid(hash_grid(scales, resolutions, offsets, features)); },
            nb::arg("scales"), nb::arg("resolutions"), nb::arg("offsets"), nb::arg("features"));
}

inline int64_t num_entries(const nsg::HashGrid& grid) {
    const nsg::HashLevel& last = grid.level[grid.levels - 1];
    return static_cast<int64_t>(last.offset) + last.size;
}

template <class B>
void bind_hash_encode(nb::class_<B>& m) {
    define(
        m, "hash_encode_forward", {"grid", "positions", "table", "encoded"},
        [](const B& backend, const nsg::HashGrid& grid, In<B, 2> positions, In<B, 2> table, Out<B, 2> encoded) {
            const int64_t n = length(positions);
            expect("positions", positions, {n, 3});
            expect("table", table, {num_entries(grid), grid.features});
            expect("encoded", encoded, {grid.levels * grid.features, n});
            backend.run(nsg::HashEncodeForward{grid, n, positions.data(), table.data(), encoded.data()});
        });
    define(
        m, "hash_encode_backward", {"grid", "positions", "table", "grad_encoded", "grad_table", "grad_positions"},
        [](const B& backend, const nsg::HashGrid& grid, In<B, 2> positions, In<B, 2> table, In<B, 2> grad_encoded,
           Out<B, 2> grad_table, std::optional<Out<B, 2>> grad_positions) {
            const int64_t n = length(positions);
            expect("positions", positions, {n, 3});
            expect("table", table, {num_entries(grid), grid.features});
            expect("grad_encoded", grad_encoded, {grid.levels * grid.features, n});
            expect("grad_table", grad_table, {num_entries(grid), grid.features});
            if (grad_positions) expect("grad_positions", *grad_positions, {n, 3});
            backend.run(
                nsg::HashEncodeBackward{
                    grid, n, positions.data(), table.data(), grad_encoded.data(), grad_table.data(),
                    address(grad_positions)});
        });
}

template <class B>
void bind_encode(nb::class_<B>& m) {
    bind_hash_encode<B>(m);
    define(
        m, "spherical_harmonics_forward", {"degree", "directions", "encoded"},
        [](const B& backend, int degree, In<B, 2> directions, Out<B, 2> encoded) {
            const int64_t n = length(directions);
            require(degree >= 1 && degree <= nsg::kMaxDegree, "degree must be 1 to 8");
            expect("directions", directions, {n, 3});
            expect("encoded", encoded, {n, degree * degree});
            backend.run(nsg::SphericalHarmonicsForward{n, degree, directions.data(), encoded.data()});
        });
    define(
        m, "spherical_harmonics_backward", {"degree", "directions", "grad_encoded", "grad_directions"},
        [](const B& backend, int degree, In<B, 2> directions, In<B, 2> grad_encoded, Out<B, 2> grad_directions) {
            const int64_t n = length(directions);
            require(degree >= 1 && degree <= nsg::kMaxDegree, "degree must be 1 to 8");
            expect("directions", directions, {n, 3});
            expect("grad_encoded", grad_encoded, {n, degree * degree});
            expect("grad_directions", grad_directions, {n, 3});
            backend.run(
                nsg::SphericalHarmonicsBackward{
                    n, degree, directions.data(), grad_encoded.data(), grad_directions.data()});
        });
    define(m, "trunc_exp_forward", {"x", "value"}, [](const B& backend, In<B, 1> x, Out<B, 1> value) {
        expect("value", value, {length(x)});
        backend.run(nsg::TruncExpForward{length(x), x.data(), value.data()});
    });
    define(
        m, "trunc_exp_backward", {"x", "grad_value", "grad_x"},
        [](const B& backend, In<B, 1> x, In<B, 1> grad_value, Out<B, 1> grad_x) {
            expect("grad_value", grad_value, {length(x)});
            expect("grad_x", grad_x, {length(x)});
            backend.run(nsg::TruncExpBackward{length(x), x.data(), grad_value.data(), grad_x.data()});
        });
}
