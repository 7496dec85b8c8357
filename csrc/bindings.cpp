// Python bindings, and nothing else: each takes arrays of an exact dtype and number of dimensions on the backend's
// device, compares their sizes, and hands their addresses to the op.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <string>
#include <vector>

#include "cpu/dispatch.h"
#if defined(NSG_CUDA)
#include "cuda/dispatch.h"
#endif

namespace nb = nanobind;
using namespace nb::literals;

namespace {

// The kernels for this machine's processor.
struct Cpu {
    using Device = nb::device::cpu;
    const nsg::InstructionSet* set;

#define NSG_RUN(op) \
    void run(const nsg::op& arguments) const { set->kernels->run_##op(arguments); }
    NSG_OPS(NSG_RUN)
#undef NSG_RUN
    bool takes(const nsg::MlpShape&) const { return true; }
};

#if defined(NSG_CUDA)
// The kernels for a CUDA device, on one of its streams.
struct Cuda {
    using Device = nb::device::cuda;
    nsg::cuda::Queue queue;

    template <class Op>
    void run(const Op& arguments) const {
        nsg::cuda::run(arguments, queue);
    }
    bool takes(const nsg::MlpShape& shape) const { return nsg::cuda::takes_mlp(shape, queue.device); }
};
#endif

template <class B, class T, int N>
using Array = nb::ndarray<T, nb::ndim<N>, nb::c_contig, typename B::Device>;
template <class B, int N>
using In = Array<B, const float, N>;
template <class B, int N>
using Out = Array<B, float, N>;
template <class B>
using Offsets = Array<B, const int64_t, 1>;

std::string text(const std::vector<int64_t>& shape) {
    std::string result = "(";
    for (int64_t size : shape) result += (result.size() > 1 ? ", " : "") + std::to_string(size);
    return result + ")";
}

// Refuses an array whose sizes do not fit those of the others.
template <class A>
void expect(const char* name, const A& array, const std::vector<int64_t>& shape) {
    std::vector<int64_t> found;
    for (size_t d = 0; d < array.ndim(); ++d) found.push_back(static_cast<int64_t>(array.shape(d)));
    if (found == shape) return;
    throw nb::value_error((std::string(name) + " has shape " + text(found) + ", expected " + text(shape)).c_str());
}

// Returns the number of rays. Offsets on the CPU are looked at; those on another device are the caller's promise.
template <class B>
int64_t num_rays(const Offsets<B>& offsets, int64_t samples) {
    const int64_t rays = static_cast<int64_t>(offsets.shape(0)) - 1;
    if (rays < 0) throw nb::value_error("offsets is empty, expected one more than there are rays");
    if (!std::is_same_v<typename B::Device, nb::device::cpu>) return rays;
    const int64_t* data = offsets.data();
    bool fits = data[0] == 0 && data[rays] == samples;
    for (int64_t r = 0; r < rays; ++r) fits = fits && data[r] <= data[r + 1];
    if (!fits) {
        throw nb::value_error(
            ("offsets must begin with 0, never decrease and end with the " + std::to_string(samples) + " samples").c_str());
    }
    return rays;
}

nsg::HashGrid hash_grid(
    const std::vector<float>& scales, const std::vector<uint32_t>& resolutions, const std::vector<uint32_t>& offsets,
    int features) {
    const size_t levels = scales.size();
    if (levels < 1 || levels > nsg::kMaxLevels || resolutions.size() != levels || offsets.size() != levels + 1) {
        throw nb::value_error("HashGrid: expected 1 to 32 scales, as many resolutions, and one offset more");
    }
    if (features != 1 && features != 2 && features != 4 && features != 8) {
        throw nb::value_error("HashGrid: features must be 1, 2, 4 or 8");
    }
    nsg::HashGrid grid = {static_cast<int32_t>(levels), features, {}};
    for (size_t l = 0; l < levels; ++l) {
        grid.level[l] = {scales[l], resolutions[l], offsets[l], offsets[l + 1] - offsets[l]};
        const uint32_t size = grid.level[l].size;
        const bool is_hashed = static_cast<double>(resolutions[l]) * resolutions[l] * resolutions[l] > size;
        if (size == 0 || offsets[l + 1] < offsets[l] || (is_hashed && (size & (size - 1)) != 0) ||
            !(scales[l] >= 0 && scales[l] <= static_cast<float>(resolutions[l]) - 1.0f)) {
            throw nb::value_error(("HashGrid: level " + std::to_string(l) + " is inconsistent").c_str());
        }
    }
    return grid;
}

template <class B>
void bind_adam(nb::class_<B>& m) {
    m.def(
        "adam_step",
        [](const B& backend, Out<B, 1> parameter, In<B, 1> gradient, Out<B, 1> first_moment, Out<B, 1> second_moment,
           int64_t step, double learning_rate, double beta1, double beta2, double eps, double weight_decay, bool skip_zeros) {
            const auto n = static_cast<int64_t>(parameter.shape(0));
            if (step < 1) throw nb::value_error("step must be 1 or more");
            expect("gradient", gradient, {n});
            expect("first_moment", first_moment, {n});
            expect("second_moment", second_moment, {n});
            backend.run(nsg::AdamStep{
                n, nsg::adam_rates(step, learning_rate, beta1, beta2, eps, weight_decay), skip_zeros, parameter.data(),
                gradient.data(), first_moment.data(), second_moment.data()});
        },
        "parameter"_a.noconvert(), "gradient"_a.noconvert(), "first_moment"_a.noconvert(),
        "second_moment"_a.noconvert(), "step"_a, "learning_rate"_a, "beta1"_a, "beta2"_a, "eps"_a, "weight_decay"_a,
        "skip_zeros"_a);
}

template <class B>
void bind_bits(nb::class_<B>& m) {
    m.def(
        "morton_encode",
        [](const B& backend, Array<B, const int64_t, 2> cells, Array<B, int64_t, 1> codes) {
            const auto n = static_cast<int64_t>(cells.shape(0));
            expect("cells", cells, {n, 3});
            expect("codes", codes, {n});
            backend.run(nsg::MortonEncode{n, cells.data(), codes.data()});
        },
        "cells"_a.noconvert(), "codes"_a.noconvert());
    m.def(
        "morton_decode",
        [](const B& backend, Array<B, const int64_t, 1> codes, Array<B, int64_t, 2> cells) {
            const auto n = static_cast<int64_t>(codes.shape(0));
            expect("cells", cells, {n, 3});
            backend.run(nsg::MortonDecode{n, codes.data(), cells.data()});
        },
        "codes"_a.noconvert(), "cells"_a.noconvert());
    m.def(
        "pack_bits",
        [](const B& backend, Array<B, const bool, 1> flags, Array<B, uint8_t, 1> packed) {
            const auto n = static_cast<int64_t>(packed.shape(0));
            expect("flags", flags, {8 * n});
            backend.run(nsg::PackBits{n, flags.data(), packed.data()});
        },
        "flags"_a.noconvert(), "packed"_a.noconvert());
    m.def(
        "unpack_bits",
        [](const B& backend, Array<B, const uint8_t, 1> packed, Array<B, bool, 1> flags) {
            const auto n = static_cast<int64_t>(packed.shape(0));
            expect("flags", flags, {8 * n});
            backend.run(nsg::UnpackBits{n, packed.data(), flags.data()});
        },
        "packed"_a.noconvert(), "flags"_a.noconvert());
}

int64_t entries(const nsg::HashGrid& grid) {
    const nsg::HashLevel& last = grid.level[grid.levels - 1];
    return static_cast<int64_t>(last.offset) + last.size;
}

template <class B>
void bind_encode(nb::class_<B>& m) {
    m.def(
        "hash_encode_forward",
        [](const B& backend, const nsg::HashGrid& grid, In<B, 2> positions, In<B, 2> table, Out<B, 2> encoded) {
            const auto n = static_cast<int64_t>(positions.shape(0));
            expect("positions", positions, {n, 3});
            expect("table", table, {entries(grid), grid.features});
            expect("encoded", encoded, {grid.levels * grid.features, n});
            backend.run(nsg::HashEncodeForward{grid, n, positions.data(), table.data(), encoded.data()});
        },
        "grid"_a, "positions"_a.noconvert(), "table"_a.noconvert(), "encoded"_a.noconvert());
    m.def(
        "hash_encode_backward",
        [](const B& backend, const nsg::HashGrid& grid, In<B, 2> positions, In<B, 2> table, In<B, 2> grad_encoded,
           Out<B, 2> grad_table, std::optional<Out<B, 2>> grad_positions) {
            const auto n = static_cast<int64_t>(positions.shape(0));
            expect("positions", positions, {n, 3});
            expect("table", table, {entries(grid), grid.features});
            expect("grad_encoded", grad_encoded, {grid.levels * grid.features, n});
            expect("grad_table", grad_table, {entries(grid), grid.features});
            if (grad_positions) expect("grad_positions", *grad_positions, {n, 3});
            backend.run(nsg::HashEncodeBackward{
                grid, n, positions.data(), table.data(), grad_encoded.data(), grad_table.data(),
                grad_positions ? grad_positions->data() : nullptr});
        },
        "grid"_a, "positions"_a.noconvert(), "table"_a.noconvert(), "grad_encoded"_a.noconvert(),
        "grad_table"_a.noconvert(), "grad_positions"_a.noconvert().none());
    m.def(
        "spherical_harmonics_forward",
        [](const B& backend, int degree, In<B, 2> directions, Out<B, 2> encoded) {
            const auto n = static_cast<int64_t>(directions.shape(0));
            if (degree < 1 || degree > nsg::kMaxDegree) throw nb::value_error("degree must be 1 to 8");
            expect("directions", directions, {n, 3});
            expect("encoded", encoded, {n, degree * degree});
            backend.run(nsg::SphericalHarmonicsForward{n, degree, directions.data(), encoded.data()});
        },
        "degree"_a, "directions"_a.noconvert(), "encoded"_a.noconvert());
    m.def(
        "spherical_harmonics_backward",
        [](const B& backend, int degree, In<B, 2> directions, In<B, 2> grad_encoded, Out<B, 2> grad_directions) {
            const auto n = static_cast<int64_t>(directions.shape(0));
            if (degree < 1 || degree > nsg::kMaxDegree) throw nb::value_error("degree must be 1 to 8");
            expect("directions", directions, {n, 3});
            expect("grad_encoded", grad_encoded, {n, degree * degree});
            expect("grad_directions", grad_directions, {n, 3});
            backend.run(nsg::SphericalHarmonicsBackward{
                n, degree, directions.data(), grad_encoded.data(), grad_directions.data()});
        },
        "degree"_a, "directions"_a.noconvert(), "grad_encoded"_a.noconvert(), "grad_directions"_a.noconvert());
    m.def(
        "trunc_exp_forward",
        [](const B& backend, In<B, 1> x, Out<B, 1> value) {
            const auto n = static_cast<int64_t>(x.shape(0));
            expect("value", value, {n});
            backend.run(nsg::TruncExpForward{n, x.data(), value.data()});
        },
        "x"_a.noconvert(), "value"_a.noconvert());
    m.def(
        "trunc_exp_backward",
        [](const B& backend, In<B, 1> x, In<B, 1> grad_value, Out<B, 1> grad_x) {
            const auto n = static_cast<int64_t>(x.shape(0));
            expect("grad_value", grad_value, {n});
            expect("grad_x", grad_x, {n});
            backend.run(nsg::TruncExpBackward{n, x.data(), grad_value.data(), grad_x.data()});
        },
        "x"_a.noconvert(), "grad_value"_a.noconvert(), "grad_x"_a.noconvert());
}

// What marching is told about its grid.
struct OccupancyGrid {
    int32_t resolution, cascades;
    nsg::MarchSteps steps;
};

OccupancyGrid occupancy_grid(int resolution, int cascades, float step_min, float step_max, float cone_angle) {
    if (resolution < 4 || resolution > 512 || (resolution & (resolution - 1)) != 0) {
        throw nb::value_error("resolution must be a power of two from 4 to 512");
    }
    if (cascades < 1 || cascades > 8) throw nb::value_error("cascades must be 1 to 8");
    if (!(step_min > 0 && step_max >= step_min && cone_angle >= 0)) {
        throw nb::value_error("expected 0 < step_min <= step_max and cone_angle >= 0");
    }
    return {resolution, cascades, {step_min, step_max, cone_angle}};
}

template <class B>
nsg::MarchRays march_rays(
    const In<B, 2>& origins, const In<B, 2>& directions, const In<B, 1>& near, const In<B, 1>& far,
    const std::optional<In<B, 1>>& jitter, const std::optional<In<B, 1>>& cursor, int64_t limit,
    const Array<B, const uint8_t, 1>& occupied, const In<B, 2>& box, const OccupancyGrid& grid) {
    const auto n = static_cast<int64_t>(origins.shape(0));
    expect("origins", origins, {n, 3});
    expect("directions", directions, {n, 3});
    expect("near", near, {n});
    expect("far", far, {n});
    if (jitter) expect("jitter", *jitter, {n});
    if (cursor) expect("cursor", *cursor, {n});
    expect("box", box, {2, 3});
    const int64_t cells = static_cast<int64_t>(grid.cascades) * grid.resolution * grid.resolution * grid.resolution;
    expect("occupied", occupied, {cells / 8});
    if (reinterpret_cast<uintptr_t>(occupied.data()) % 8 != 0) throw nb::value_error("occupied is not aligned to 8 bytes");
    if (limit < 1) throw nb::value_error("limit must be 1 or more");
    return {n, origins.data(), directions.data(), near.data(), far.data(), jitter ? jitter->data() : nullptr,
            cursor ? cursor->data() : nullptr, limit, occupied.data(), grid.resolution, grid.cascades, box.data(),
            grid.steps};
}

template <class B>
void bind_march(nb::class_<B>& m) {
    using Bytes = Array<B, const uint8_t, 1>;
    using MaybeIn = std::optional<In<B, 1>>;
    m.def(
        "intersect_box",
        [](const B& backend, In<B, 2> origins, In<B, 2> directions, In<B, 2> box, Out<B, 1> near, Out<B, 1> far) {
            const auto n = static_cast<int64_t>(origins.shape(0));
            expect("origins", origins, {n, 3});
            expect("directions", directions, {n, 3});
            expect("box", box, {2, 3});
            expect("near", near, {n});
            expect("far", far, {n});
            backend.run(nsg::IntersectBox{n, origins.data(), directions.data(), box.data(), near.data(), far.data()});
        },
        "origins"_a.noconvert(), "directions"_a.noconvert(), "box"_a.noconvert(), "near"_a.noconvert(),
        "far"_a.noconvert());
    m.def(
        "march_count",
        [](const B& backend, In<B, 2> origins, In<B, 2> directions, In<B, 1> near, In<B, 1> far, MaybeIn jitter,
           MaybeIn cursor, int64_t limit, Bytes occupied, In<B, 2> box, const OccupancyGrid& grid, Array<B, int64_t, 1> counts) {
            const nsg::MarchRays rays =
                march_rays<B>(origins, directions, near, far, jitter, cursor, limit, occupied, box, grid);
            expect("counts", counts, {rays.rays});
            backend.run(nsg::MarchCount{rays, counts.data()});
        },
        "origins"_a.noconvert(), "directions"_a.noconvert(), "near"_a.noconvert(), "far"_a.noconvert(),
        "jitter"_a.noconvert().none(), "cursor"_a.noconvert().none(), "limit"_a, "occupied"_a.noconvert(),
        "box"_a.noconvert(), "grid"_a, "counts"_a.noconvert());
    m.def(
        "march_write",
        [](const B& backend, In<B, 2> origins, In<B, 2> directions, In<B, 1> near, In<B, 1> far, MaybeIn jitter,
           MaybeIn cursor, int64_t limit, Bytes occupied, In<B, 2> box, const OccupancyGrid& grid, Offsets<B> offsets,
           Out<B, 1> starts, Out<B, 1> ends, Array<B, int64_t, 1> rays, std::optional<Out<B, 1>> next) {
            const nsg::MarchRays a =
                march_rays<B>(origins, directions, near, far, jitter, cursor, limit, occupied, box, grid);
            const auto n = static_cast<int64_t>(starts.shape(0));
            expect("offsets", offsets, {a.rays + 1});
            num_rays<B>(offsets, n);
            expect("ends", ends, {n});
            expect("rays", rays, {n});
            if (next) expect("next", *next, {a.rays});
            backend.run(nsg::MarchWrite{
                a, n, offsets.data(), starts.data(), ends.data(), rays.data(), next ? next->data() : nullptr});
        },
        "origins"_a.noconvert(), "directions"_a.noconvert(), "near"_a.noconvert(), "far"_a.noconvert(),
        "jitter"_a.noconvert().none(), "cursor"_a.noconvert().none(), "limit"_a, "occupied"_a.noconvert(),
        "box"_a.noconvert(), "grid"_a, "offsets"_a.noconvert(), "starts"_a.noconvert(), "ends"_a.noconvert(),
        "rays"_a.noconvert(), "next"_a.noconvert().none());
}

// The sizes of a network whose weights are given as [outputs, inputs].
template <class B>
nsg::MlpShape mlp_shape(const std::vector<In<B, 2>>& weights, int64_t points) {
    if (weights.empty() || weights.size() > nsg::kMaxLayers) throw nb::value_error("expected 1 to 8 layers of weights");
    nsg::MlpShape shape = {points, static_cast<int32_t>(weights.size()), {static_cast<int32_t>(weights[0].shape(1))}};
    for (size_t l = 0; l < weights.size(); ++l) {
        const auto outputs = static_cast<int64_t>(weights[l].shape(0));
        if (outputs < 1 || outputs > nsg::kMaxWidth || shape.sizes[l] < 1 || shape.sizes[l] > nsg::kMaxWidth) {
            throw nb::value_error("a layer has 1 to 128 inputs and outputs");
        }
        expect("weights", weights[l], {outputs, shape.sizes[l]});
        shape.sizes[l + 1] = static_cast<int32_t>(outputs);
    }
    return shape;
}

template <class B>
void bind_mlp(nb::class_<B>& m) {
    m.def(
        "mlp_fits",
        [](const B& backend, const std::vector<int64_t>& sizes) {
            if (sizes.size() < 2 || sizes.size() > nsg::kMaxLayers + 1) return false;
            nsg::MlpShape shape = {0, static_cast<int32_t>(sizes.size()) - 1, {}};
            for (size_t l = 0; l < sizes.size(); ++l) {
                if (sizes[l] < 1 || sizes[l] > nsg::kMaxWidth) return false;
                shape.sizes[l] = static_cast<int32_t>(sizes[l]);
            }
            return backend.takes(shape);
        },
        "sizes"_a);
    m.def(
        "mlp_hidden_size",
        [](const B&, const std::vector<In<B, 2>>& weights, int64_t points) {
            return nsg::mlp_hidden_size(mlp_shape<B>(weights, points));
        },
        "weights"_a.noconvert(), "points"_a);
    m.def(
        "mlp_forward",
        [](const B& backend, const std::vector<In<B, 2>>& weights, In<B, 2> input, std::optional<Out<B, 1>> hidden,
           Out<B, 2> output) {
            const auto n = static_cast<int64_t>(input.shape(1));
            nsg::MlpForward a = {mlp_shape<B>(weights, n), {}, input.data(), nullptr, output.data()};
            expect("input", input, {a.shape.sizes[0], n});
            expect("output", output, {a.shape.sizes[a.shape.layers], n});
            if (hidden) expect("hidden", *hidden, {nsg::mlp_hidden_size(a.shape)});
            a.hidden = hidden ? hidden->data() : nullptr;
            for (size_t l = 0; l < weights.size(); ++l) a.weights[l] = weights[l].data();
            backend.run(a);
        },
        "weights"_a.noconvert(), "input"_a.noconvert(), "hidden"_a.noconvert().none(), "output"_a.noconvert());
    m.def(
        "mlp_backward",
        [](const B& backend, const std::vector<In<B, 2>>& weights, In<B, 2> input, In<B, 1> hidden, In<B, 2> grad_output,
           std::vector<Out<B, 2>> grad_weights, std::optional<Out<B, 2>> grad_input) {
            const auto n = static_cast<int64_t>(input.shape(1));
            nsg::MlpBackward a = {mlp_shape<B>(weights, n), {}, input.data(), hidden.data(), grad_output.data(), {}, nullptr};
            expect("input", input, {a.shape.sizes[0], n});
            expect("hidden", hidden, {nsg::mlp_hidden_size(a.shape)});
            expect("grad_output", grad_output, {a.shape.sizes[a.shape.layers], n});
            if (grad_weights.size() != weights.size()) throw nb::value_error("expected as many grad_weights as weights");
            for (size_t l = 0; l < weights.size(); ++l) {
                expect("grad_weights", grad_weights[l], {a.shape.sizes[l + 1], a.shape.sizes[l]});
                a.weights[l] = weights[l].data();
                a.grad_weights[l] = grad_weights[l].data();
            }
            if (grad_input) expect("grad_input", *grad_input, {a.shape.sizes[0], n});
            a.grad_input = grad_input ? grad_input->data() : nullptr;
            backend.run(a);
        },
        "weights"_a.noconvert(), "input"_a.noconvert(), "hidden"_a.noconvert(), "grad_output"_a.noconvert(),
        "grad_weights"_a.noconvert(), "grad_input"_a.noconvert().none());
}

template <class B>
void bind_volume(nb::class_<B>& m) {
    m.def(
        "composite_forward",
        [](const B& backend, In<B, 1> densities, In<B, 2> colors, In<B, 1> starts, In<B, 1> ends, Offsets<B> offsets,
           float threshold, Out<B, 1> weights, Out<B, 2> color, Out<B, 1> opacity, Out<B, 1> depth_sum) {
            const auto n = static_cast<int64_t>(densities.shape(0));
            const int64_t rays = num_rays<B>(offsets, n);
            expect("colors", colors, {n, 3});
            expect("starts", starts, {n});
            expect("ends", ends, {n});
            expect("weights", weights, {n});
            expect("color", color, {rays, 3});
            expect("opacity", opacity, {rays});
            expect("depth_sum", depth_sum, {rays});
            backend.run(nsg::CompositeForward{
                rays, n, densities.data(), colors.data(), starts.data(), ends.data(), offsets.data(), threshold,
                weights.data(), color.data(), opacity.data(), depth_sum.data()});
        },
        "densities"_a.noconvert(), "colors"_a.noconvert(), "starts"_a.noconvert(), "ends"_a.noconvert(),
        "offsets"_a.noconvert(), "transmittance_threshold"_a, "weights"_a.noconvert(), "color"_a.noconvert(),
        "opacity"_a.noconvert(), "depth_sum"_a.noconvert());
    m.def(
        "composite_backward",
        [](const B& backend, In<B, 1> densities, In<B, 2> colors, In<B, 1> starts, In<B, 1> ends, Offsets<B> offsets,
           float threshold, In<B, 1> grad_weights, In<B, 2> grad_color, In<B, 1> grad_opacity, In<B, 1> grad_depth_sum,
           Out<B, 1> grad_densities, Out<B, 2> grad_colors) {
            const auto n = static_cast<int64_t>(densities.shape(0));
            const int64_t rays = num_rays<B>(offsets, n);
            expect("colors", colors, {n, 3});
            expect("starts", starts, {n});
            expect("ends", ends, {n});
            expect("grad_weights", grad_weights, {n});
            expect("grad_color", grad_color, {rays, 3});
            expect("grad_opacity", grad_opacity, {rays});
            expect("grad_depth_sum", grad_depth_sum, {rays});
            expect("grad_densities", grad_densities, {n});
            expect("grad_colors", grad_colors, {n, 3});
            backend.run(nsg::CompositeBackward{
                rays, n, densities.data(), colors.data(), starts.data(), ends.data(), offsets.data(), threshold,
                grad_weights.data(), grad_color.data(), grad_opacity.data(), grad_depth_sum.data(),
                grad_densities.data(), grad_colors.data()});
        },
        "densities"_a.noconvert(), "colors"_a.noconvert(), "starts"_a.noconvert(), "ends"_a.noconvert(),
        "offsets"_a.noconvert(), "transmittance_threshold"_a, "grad_weights"_a.noconvert(),
        "grad_color"_a.noconvert(), "grad_opacity"_a.noconvert(), "grad_depth_sum"_a.noconvert(),
        "grad_densities"_a.noconvert(), "grad_colors"_a.noconvert());
    m.def(
        "distortion_forward",
        [](const B& backend, In<B, 1> weights, In<B, 1> starts, In<B, 1> ends, Offsets<B> offsets, Out<B, 1> loss) {
            const auto n = static_cast<int64_t>(weights.shape(0));
            const int64_t rays = num_rays<B>(offsets, n);
            expect("starts", starts, {n});
            expect("ends", ends, {n});
            expect("loss", loss, {rays});
            backend.run(nsg::DistortionForward{
                rays, n, weights.data(), starts.data(), ends.data(), offsets.data(), loss.data()});
        },
        "weights"_a.noconvert(), "starts"_a.noconvert(), "ends"_a.noconvert(), "offsets"_a.noconvert(),
        "loss"_a.noconvert());
    m.def(
        "distortion_backward",
        [](const B& backend, In<B, 1> weights, In<B, 1> starts, In<B, 1> ends, Offsets<B> offsets, In<B, 1> grad_loss,
           Out<B, 1> grad_weights) {
            const auto n = static_cast<int64_t>(weights.shape(0));
            const int64_t rays = num_rays<B>(offsets, n);
            expect("starts", starts, {n});
            expect("ends", ends, {n});
            expect("grad_loss", grad_loss, {rays});
            expect("grad_weights", grad_weights, {n});
            backend.run(nsg::DistortionBackward{
                rays, n, weights.data(), starts.data(), ends.data(), offsets.data(), grad_loss.data(),
                grad_weights.data()});
        },
        "weights"_a.noconvert(), "starts"_a.noconvert(), "ends"_a.noconvert(), "offsets"_a.noconvert(),
        "grad_loss"_a.noconvert(), "grad_weights"_a.noconvert());
}

template <class B>
void bind_all(nb::class_<B>& m) {
    bind_adam(m);
    bind_bits(m);
    bind_encode(m);
    bind_march(m);
    bind_mlp(m);
    bind_volume(m);
}

}  // namespace

NB_MODULE(nsg_kernels, m) {
    // The cached HashGrids live as long as the process, which nanobind would report as a leak.
    nb::set_leak_warnings(false);
    m.attr("ABI") = 1;
    m.attr("COMPILER") = NSG_COMPILER;
    nb::class_<nsg::HashGrid>(m, "HashGrid")
        .def("__init__", [](nsg::HashGrid* self, const std::vector<float>& scales,
                            const std::vector<uint32_t>& resolutions, const std::vector<uint32_t>& offsets,
                            int features) { new (self) nsg::HashGrid(hash_grid(scales, resolutions, offsets, features)); },
             "scales"_a, "resolutions"_a, "offsets"_a, "features"_a);

    nb::class_<OccupancyGrid>(m, "OccupancyGrid")
        .def("__init__", [](OccupancyGrid* self, int resolution, int cascades, float step_min, float step_max,
                            float cone_angle) {
            new (self) OccupancyGrid(occupancy_grid(resolution, cascades, step_min, step_max, cone_angle));
        }, "resolution"_a, "cascades"_a, "step_min"_a, "step_max"_a, "cone_angle"_a);

    nb::class_<Cpu> cpu(m, "Cpu");
    cpu.def_prop_ro("TARGET", [](const Cpu& backend) { return backend.set->name; });
    cpu.def("set_num_threads", [](const Cpu&, int count) { nsg::set_num_threads(count); }, "count"_a);
    bind_all(cpu);
    m.attr("cpu") = Cpu{nsg::instruction_set()};

#if defined(NSG_CUDA)
    nb::class_<Cuda> cuda(m, "Cuda");
    cuda.attr("TARGET") = nsg::cuda::architectures();
    cuda.def("__init__", [](Cuda* self, int device, uintptr_t stream) {
        new (self) Cuda{{device, reinterpret_cast<void*>(stream)}};
    }, "device"_a, "stream"_a);
    bind_all(cuda);
    m.attr("cuda") = cuda;
#endif
}
