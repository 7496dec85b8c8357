#pragma once

#include "arrays.h"

// The sizes of a network whose weights are given as [outputs, inputs].
template <class B>
nsg::MlpShape mlp_shape(const std::vector<In<B, 2>>& weights, int64_t points) {
    require(!weights.empty() && weights.size() <= nsg::kMaxLayers, "expected 1 to 8 layers of weights");
    nsg::MlpShape shape = {points, static_cast<int32_t>(weights.size()), {static_cast<int32_t>(weights[0].shape(1))}};
    for (size_t l = 0; l < weights.size(); ++l) {
        const int64_t outputs = length(weights[l]), inputs = shape.sizes[l];
        require(
            outputs >= 1 && outputs <= nsg::kMaxWidth && inputs >= 1 && inputs <= nsg::kMaxWidth,
            "a layer has 1 to 128 inputs and outputs");
        expect("weights", weights[l], {outputs, inputs});
        shape.sizes[l + 1] = static_cast<int32_t>(outputs);
    }
    return shape;
}

template <class B>
void bind_mlp(nb::class_<B>& m) {
    define(m, "mlp_fits", {"sizes"}, [](const B& backend, const std::vector<int64_t>& sizes) {
        if (sizes.size() < 2 || sizes.size() > nsg::kMaxLayers + 1) return false;
        nsg::MlpShape shape = {0, static_cast<int32_t>(sizes.size()) - 1, {}};
        for (size_t l = 0; l < sizes.size(); ++l) {
            if (sizes[l] < 1 || sizes[l] > nsg::kMaxWidth) return false;
            shape.sizes[l] = static_cast<int32_t>(sizes[l]);
        }
        return backend.takes(shape);
    });
    define(
        m, "mlp_hidden_size", {"weights", "points"},
        [](const B&, const std::vector<In<B, 2>>& weights, int64_t points) {
            return nsg::mlp_hidden_size(mlp_shape<B>(weights, points));
        });
    define(
        m, "mlp_forward", {"weights", "input", "hidden", "output"},
        [](const B& backend, const std::vector<In<B, 2>>& weights, In<B, 2> input, std::optional<Out<B, 1>> hidden,
           Out<B, 2> output) {
            const auto n = static_cast<int64_t>(input.shape(1));
            nsg::MlpForward a = {mlp_shape<B>(weights, n), {}, input.data(), address(hidden), output.data()};
            expect("input", input, {a.shape.sizes[0], n});
            expect("output", output, {a.shape.sizes[a.shape.layers], n});
            if (hidden) expect("hidden", *hidden, {nsg::mlp_hidden_size(a.shape)});
            for (size_t l = 0; l < weights.size(); ++l) a.weights[l] = weights[l].data();
            backend.run(a);
        });
    define(
        m, "mlp_backward", {"weights", "input", "hidden", "grad_output", "grad_weights", "grad_input"},
        [](const B& backend, const std::vector<In<B, 2>>& weights, In<B, 2> input, In<B, 1> hidden,
           In<B, 2> grad_output, const std::vector<Out<B, 2>>& grad_weights, std::optional<Out<B, 2>> grad_input) {
            const auto n = static_cast<int64_t>(input.shape(1));
            nsg::MlpBackward a = {mlp_shape<B>(weights, n), {}, input.data(),       hidden.data(),
                                  grad_output.data(),       {}, address(grad_input)};
            expect("input", input, {a.shape.sizes[0], n});
            expect("hidden", hidden, {nsg::mlp_hidden_size(a.shape)});
            expect("grad_output", grad_output, {a.shape.sizes[a.shape.layers], n});
            if (grad_input) expect("grad_input", *grad_input, {a.shape.sizes[0], n});
            require(grad_weights.size() == weights.size(), "expected as many grad_weights as weights");
            for (size_t l = 0; l < weights.size(); ++l) {
                expect("grad_weights", grad_weights[l], {a.shape.sizes[l + 1], a.shape.sizes[l]});
                a.weights[l] = weights[l].data();
                a.grad_weights[l] = grad_weights[l].data();
            }
            backend.run(a);
        });
}
