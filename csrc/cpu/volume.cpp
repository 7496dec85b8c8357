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

// Writes the gradients of a block of samples of a ray, given in grad_densities the light that reaches each. Takes and
// returns the sum of weight times gradient over all samples behind.
float take_back(
    const CompositeBackward& a, int64_t ray, const Passed& passed, int64_t first, int64_t count, float behind) {
    const float* color = a.colors + 3 * first;
    const float grad_color[3] = {a.grad_color[3 * ray], a.grad_color[3 * ray + 1], a.grad_color[3 * ray + 2]};
    const float grad_opacity = a.grad_opacity[ray], grad_depth_sum = a.grad_depth_sum[ray];
    const float *starts = a.starts + first, *ends = a.ends + first, *grad_weights = a.grad_weights + first;
    float* __restrict__ grad_densities = a.grad_densities + first;
    float* __restrict__ grad_colors = a.grad_colors + 3 * first;
    alignas(64) float gradient[kBlock], weight[kBlock], hidden[kBlock];
    for (int64_t k = 0; k < count; ++k) {
        weight[k] = grad_densities[k] * -passed.expm1[k];
        gradient[k] = weight_gradient(
            grad_weights[k], grad_color, grad_opacity, grad_depth_sum, color + 3 * k, passed.midpoint[k]);
    }
    for (int64_t k = count; k-- > 0;) {
        hidden[k] = behind;
        behind += gradient[k] * weight[k];
    }
    for (int64_t k = 0; k < count; ++k) {
        const float after = grad_densities[k] * passed.exp[k];
        grad_densities[k] = (ends[k] - starts[k]) * (gradient[k] * after - hidden[k]);
        for (int c = 0; c < 3; ++c) grad_colors[3 * k + c] = weight[k] * grad_color[c];
    }
    return behind;
}

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
        Passed passed;
        // Forwards: the light that reaches each sample, kept where its density's gradient will stand.
        float transmittance = 1.0f;
        int64_t lit = begin, computed = begin;
        while (lit < end && transmittance > a.transmittance_threshold) {
            const int64_t count = end - lit < kBlock ? end - lit : kBlock;
            passed.compute(a.densities + lit, a.starts + lit, a.ends + lit, count);
            computed = lit;
            for (int64_t k = 0; k < count && transmittance > a.transmittance_threshold; ++k, ++lit) {
                a.grad_densities[lit] = transmittance;
                transmittance *= passed.exp[k];
            }
        }
        for (int64_t i = lit; i < end; ++i) {
            a.grad_densities[i] = 0.0f;
            for (int c = 0; c < 3; ++c) a.grad_colors[3 * i + c] = 0.0f;
        }
        // Backwards, block by block: what a sample loses of the light of those behind it.
        float behind = 0.0f;
        for (int64_t first = computed; lit > begin; lit = first, first -= kBlock) {
            if (first != computed) passed.compute(a.densities + first, a.starts + first, a.ends + first, lit - first);
            behind = take_back(a, r, passed, first, lit - first, behind);
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
