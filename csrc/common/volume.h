// Volume rendering of packed samples: compositing (NeRF, eq. 3) and the distortion loss (mip-NeRF 360, eq. 15).
// Samples of ray r are offsets[r] to offsets[r + 1], nearest first. Compositing may find densities and colors in
// another order, in which their gradients are written too: those of sample i stand at order[i].
#pragma once

#include "platform.h"

namespace nsg {

struct CompositeForward {
    int64_t rays, samples;
    const float *densities, *colors, *starts, *ends;
    const int64_t *offsets, *order;  // order may be null: all is in the order of samples
    const float* places;             // what depth is the mean of; null for midpoints
    float transmittance_threshold;
    float *weights, *color, *opacity, *depth_sum;
};

struct CompositeBackward {
    int64_t rays, samples;
    const float *densities, *colors, *starts, *ends;
    const int64_t *offsets, *order;
    const float* places;
    float transmittance_threshold;
    const float *grad_weights, *grad_color, *grad_opacity, *grad_depth_sum;
    float *grad_densities, *grad_colors;
};

struct DistortionForward {
    int64_t rays, samples;
    const float *weights, *starts, *ends;
    const int64_t* offsets;
    float* loss;
};

struct DistortionBackward {
    int64_t rays, samples;
    const float *weights, *starts, *ends;
    const int64_t* offsets;
    const float* grad_loss;
    float* grad_weights;
};

// What a ray has gathered so far.
struct Composited {
    float transmittance, red, green, blue, opacity, depth_sum;
};

NSG_HD Composited dark() { return {1.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f}; }

// Light that a sample stops, and lets through, given exp and expm1 of its optical depth with the sign turned.
NSG_HD float add_sample(Composited& ray, Exponential passed, const float* color, float place) {
    const float weight = ray.transmittance * -passed.expm1;
    ray.transmittance *= passed.exp;
    ray.red += weight * color[0];
    ray.green += weight * color[1];
    ray.blue += weight * color[2];
    ray.opacity += weight;
    ray.depth_sum += weight * place;
    return weight;
}

// Gradient that reaches a weight, by itself and through color, opacity and depth of its ray.
NSG_HD float weight_gradient(
    float grad_weight, const float* grad_color, float grad_opacity, float grad_depth_sum, const float* color,
    float place) {
    return grad_weight + grad_color[0] * color[0] + grad_color[1] * color[1] + grad_color[2] * color[2] + grad_opacity +
           grad_depth_sum * place;
}

// Prefix sums of the distortion loss: W = sum of w, M = sum of w m.
struct Moments {
    float w, wm;
};

// 2 w_i (m_i W_i - M_i) + w_i^2 d_i / 3, and the sums moved past sample i.
NSG_HD float add_distortion(Moments& before, float w, float midpoint, float length) {
    const float term = 2.0f * w * (midpoint * before.w - before.wm) + w * w * length * (1.0f / 3.0f);
    before.w += w;
    before.wm += w * midpoint;
    return term;
}

// Its derivative by w_i: nearer samples by the sums before it, farther ones by those after it.
NSG_HD float distortion_gradient(Moments before, Moments total, float w, float midpoint, float length) {
    const float after_w = total.w - before.w - w;
    const float after_wm = total.wm - before.wm - w * midpoint;
    return 2.0f * ((midpoint * before.w - before.wm) + (after_wm - midpoint * after_w)) + (2.0f / 3.0f) * w * length;
}

}  // namespace nsg
