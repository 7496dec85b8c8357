// A multilayer perceptron without biases: ReLU between the layers, nothing after the last. Activations are stored
// feature by feature, [features, points]; weights as [outputs, inputs].
#pragma once

#include "platform.h"

namespace nsg {

constexpr int kMaxLayers = 8;
constexpr int kMaxWidth = 128;
constexpr int kMlpTile = 64;  // points whose activations are kept together

struct MlpShape {
    int64_t points;
    int32_t layers;
    int32_t sizes[kMaxLayers + 1];  // inputs, hidden widths, outputs
};

// hidden keeps the activations of the hidden layers for the backward pass, in the order that suits the backend: room
// for mlp_hidden_size floats. It may be null.
struct MlpForward {
    MlpShape shape;
    const float* weights[kMaxLayers];
    const float* input;
    float *hidden, *output;
};

// grad_weights holds what was there before plus the gradient. grad_input may be null.
struct MlpBackward {
    MlpShape shape;
    const float* weights[kMaxLayers];
    const float *input, *hidden, *grad_output;
    float* grad_weights[kMaxLayers];
    float* grad_input;
};

// Widths are rounded up, so that loops over them have no remainder.
NSG_HD int32_t padded_width(int32_t width) { return (width + 3) / 4 * 4; }

NSG_HD int64_t mlp_hidden_size(const MlpShape& shape) {
    int64_t width = 0;
    for (int l = 1; l < shape.layers; ++l) width += padded_width(shape.sizes[l]);
    return (shape.points + kMlpTile - 1) / kMlpTile * kMlpTile * width;
}

NSG_HD float relu(float x) { return x > 0.0f ? x : 0.0f; }

// The gradient passes where the activation is positive.
NSG_HD float relu_gradient(float activation, float gradient) { return activation > 0.0f ? gradient : 0.0f; }

}  // namespace nsg
