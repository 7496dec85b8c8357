#include "cpu.h"

namespace nsg::NSG_ISA {
namespace {

constexpr int64_t kBlock = 64;  // samples whose exponentials are computed together, as vectors

// Exponentials of the optical depths of up to kBlock samples.
struct Passed {
    alignas(64) float exp[kBlock], expm1[kBlock], midpoint[kBlock];

    void compute(const float* densities, const float* starts, const float* ends, int64_t count) {
        for (int64_t i = 0; i < count; ++i) {
            const Exponential e = exponential(-densities[i] * (ends[i] - starts[i]));
            exp[i] = e.exp;
            expm1[i] = e.expm1;
            midpoint[i] = 0.5f * (starts[i] + ends[i]);
        }
    }
};

}  // namespace

void run(const CompositeForward& a) {
#pragma omp parallel for schedule(dynamic, 64) num_threads(num_threads())
    for (int64_t r = 0; r < a.rays; ++r) {
        const int64_t end = a.offsets[r + 1];
        Composited ray = dark();
        Passed passed;
        int64_t i = a.offsets[r];
        while (i < end && ray.transmittance > a.transmittance_threshold) {
            const int64_t count = end - i < kBlock ? end - i : kBlock;
            passed.compute(a.densities + i, a.starts + i, a.ends + i, count);
            int64_t k = 0;
            for (; k < count && ray.transmittance > a.transmittance_threshold; ++k) {
                a.weights[i + k] =
                    add_sample(ray, {passed.exp[k], passed.expm1[k]}, a.colors + 3 * (i + k), passed.midpoint[k]);
            }
            i += k;
        }
        for (; i < end; ++i) a.weights[i] = 0.0f;
        a.color[3 * r] = ray.red;
        a.color[3 * r + 1] = ray.green;
        a.color[3 * r + 2] = ray.blue;
        a.opacity[r] = ray.opacity;
        a.depth_sum[r] = ray.depth_sum;
    }
}

void run(const CompositeBackward& a) {
#pragma omp parallel for schedule(dynamic, 64) num_threads(num_threads())
    for (int64_t r = 0; r < a.rays; ++r) {
        const int64_t begin = a.offsets[r], end = a.offsets[r + 1];
        const float* grad_color = a.grad_color + 3 * r;
        Passed passed;
        // Forwards: the weight of each sample, kept where its color's gradient will stand, and the light behind it,
        // kept where its density's gradient will stand.
        float transmittance = 1.0f;
        int64_t lit = begin;
        while (lit < end && transmittance > a.transmittance_threshold) {
            const int64_t count = end - lit < kBlock ? end - lit : kBlock;
            passed.compute(a.densities + lit, a.starts + lit, a.ends + lit, count);
            int64_t k = 0;
            for (; k < count && transmittance > a.transmittance_threshold; ++k) {
                a.grad_colors[3 * (lit + k)] = transmittance * -passed.expm1[k];
                transmittance *= passed.exp[k];
                a.grad_densities[lit + k] = transmittance;
            }
            lit += k;
        }
        for (int64_t i = lit; i < end; ++i) {
            a.grad_densities[i] = 0.0f;
            for (int c = 0; c < 3; ++c) a.grad_colors[3 * i + c] = 0.0f;
        }
        // Backwards: what a sample loses of the light of those behind it.
        float behind = 0.0f;
        for (int64_t i = lit; i-- > begin;) {
            const float weight = a.grad_colors[3 * i];
            const float gradient = weight_gradient(
                a.grad_weights[i], grad_color, a.grad_opacity[r], a.grad_depth_sum[r], a.colors + 3 * i,
                0.5f * (a.starts[i] + a.ends[i]));
            a.grad_densities[i] = (a.ends[i] - a.starts[i]) * (gradient * a.grad_densities[i] - behind);
            behind += gradient * weight;
            for (int c = 0; c < 3; ++c) a.grad_colors[3 * i + c] = weight * grad_color[c];
        }
    }
}

void run(const DistortionForward& a) {
#pragma omp parallel for schedule(dynamic, 64) num_threads(num_threads())
    for (int64_t r = 0; r < a.rays; ++r) {
        Moments before = {0.0f, 0.0f};
        float loss = 0.0f;
        for (int64_t i = a.offsets[r]; i < a.offsets[r + 1]; ++i) {
            loss += add_distortion(before, a.weights[i], 0.5f * (a.starts[i] + a.ends[i]), a.ends[i] - a.starts[i]);
        }
        a.loss[r] = loss;
    }
}

void run(const DistortionBackward& a) {
#pragma omp parallel for schedule(dynamic, 64) num_threads(num_threads())
    for (int64_t r = 0; r < a.rays; ++r) {
        Moments total = {0.0f, 0.0f}, before = {0.0f, 0.0f};
        const int64_t begin = a.offsets[r], end = a.offsets[r + 1];
        for (int64_t i = begin; i < end; ++i) {
            total.w += a.weights[i];
            total.wm += a.weights[i] * 0.5f * (a.starts[i] + a.ends[i]);
        }
        for (int64_t i = begin; i < end; ++i) {
            const float w = a.weights[i], midpoint = 0.5f * (a.starts[i] + a.ends[i]);
            a.grad_weights[i] =
                a.grad_loss[r] * distortion_gradient(before, total, w, midpoint, a.ends[i] - a.starts[i]);
            before.w += w;
            before.wm += w * midpoint;
        }
    }
}

}  // namespace nsg::NSG_ISA
