#include "cpu.h"

namespace nsg::NSG_ISA {
namespace {

constexpr int64_t kBlock = 64;  // samples whose exponentials are computed together, as vectors

// Where the density and color of a sample stand.
template <bool is_ordered, class Composite>
int64_t source(const Composite& a, int64_t i) {
    return is_ordered ? a.order[i] : i;
}

// Exponentials of the optical depths of up to kBlock samples.
template <bool is_ordered>
struct Passed {
    alignas(64) float exp[kBlock], expm1[kBlock], place[kBlock];

    template <class Composite>
    void compute(const Composite& a, int64_t first, int64_t count) {
        const float *starts = a.starts + first, *ends = a.ends + first;
        for (int64_t k = 0; k < count; ++k) {
            const float density = a.densities[source<is_ordered>(a, first + k)];
            const Exponential e = exponential(-density * (ends[k] - starts[k]));
            exp[k] = e.exp;
            expm1[k] = e.expm1;
            place[k] = 0.5f * (starts[k] + ends[k]);
        }
        for (int64_t k = 0; a.places && k < count; ++k) place[k] = a.places[first + k];
    }
};

template <bool is_ordered>
void composite_ray(const CompositeForward& a, int64_t r) {
    const int64_t end = a.offsets[r + 1];
    Composited ray = dark();
    Passed<is_ordered> passed;
    int64_t i = a.offsets[r];
    while (i < end && ray.transmittance > a.transmittance_threshold) {
        const int64_t count = end - i < kBlock ? end - i : kBlock;
        passed.compute(a, i, count);
        int64_t k = 0;
        for (; k < count && ray.transmittance > a.transmittance_threshold; ++k) {
            const float* color = a.colors + 3 * source<is_ordered>(a, i + k);
            a.weights[i + k] = add_sample(ray, {passed.exp[k], passed.expm1[k]}, color, passed.place[k]);
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

// Writes the gradients of a block of samples of a ray, given in grad_densities the light that reaches each. Takes and
// returns the sum of weight times gradient over all samples behind.
template <bool is_ordered>
float take_back(
    const CompositeBackward& a, int64_t ray, const Passed<is_ordered>& passed, int64_t first, int64_t count,
    float behind) {
    const float grad_color[3] = {a.grad_color[3 * ray], a.grad_color[3 * ray + 1], a.grad_color[3 * ray + 2]};
    const float grad_opacity = a.grad_opacity[ray], grad_depth_sum = a.grad_depth_sum[ray];
    const float *starts = a.starts + first, *ends = a.ends + first, *grad_weights = a.grad_weights + first;
    float* __restrict__ grad_densities = a.grad_densities;
    float* __restrict__ grad_colors = a.grad_colors;
    alignas(64) float gradient[kBlock], weight[kBlock], hidden[kBlock];
    for (int64_t k = 0; k < count; ++k) {
        const int64_t at = source<is_ordered>(a, first + k);
        weight[k] = grad_densities[at] * -passed.expm1[k];
        gradient[k] = weight_gradient(
            grad_weights[k], grad_color, grad_opacity, grad_depth_sum, a.colors + 3 * at, passed.place[k]);
    }
    for (int64_t k = count; k-- > 0;) {
        hidden[k] = behind;
        behind += gradient[k] * weight[k];
    }
    for (int64_t k = 0; k < count; ++k) {
        const int64_t at = source<is_ordered>(a, first + k);
        const float after = grad_densities[at] * passed.exp[k];
        grad_densities[at] = (ends[k] - starts[k]) * (gradient[k] * after - hidden[k]);
        for (int c = 0; c < 3; ++c) grad_colors[3 * at + c] = weight[k] * grad_color[c];
    }
    return behind;
}

template <bool is_ordered>
void take_back_ray(const CompositeBackward& a, int64_t r) {
    const int64_t begin = a.offsets[r], end = a.offsets[r + 1];
    Passed<is_ordered> passed;
    // Forwards: the light that reaches each sample, kept where its density's gradient will stand.
    float transmittance = 1.0f;
    int64_t lit = begin, computed = begin;
    while (lit < end && transmittance > a.transmittance_threshold) {
        const int64_t count = end - lit < kBlock ? end - lit : kBlock;
        passed.compute(a, lit, count);
        computed = lit;
        for (int64_t k = 0; k < count && transmittance > a.transmittance_threshold; ++k, ++lit) {
            a.grad_densities[source<is_ordered>(a, lit)] = transmittance;
            transmittance *= passed.exp[k];
        }
    }
    for (int64_t i = lit; i < end; ++i) {
        const int64_t at = source<is_ordered>(a, i);
        a.grad_densities[at] = 0.0f;
        for (int c = 0; c < 3; ++c) a.grad_colors[3 * at + c] = 0.0f;
    }
    // Backwards, block by block: what a sample loses of the light of those behind it.
    float behind = 0.0f;
    for (int64_t first = computed; lit > begin; lit = first, first -= kBlock) {
        if (first != computed) passed.compute(a, first, lit - first);
        behind = take_back(a, r, passed, first, lit - first, behind);
    }
}

}  // namespace

void run(const CompositeForward& a) {
    const auto composite = a.order ? composite_ray<true> : composite_ray<false>;
#pragma omp parallel for schedule(dynamic, 64) num_threads(num_threads())
    for (int64_t r = 0; r < a.rays; ++r) composite(a, r);
}

void run(const CompositeBackward& a) {
    const auto take_back_from = a.order ? take_back_ray<true> : take_back_ray<false>;
#pragma omp parallel for schedule(dynamic, 64) num_threads(num_threads())
    for (int64_t r = 0; r < a.rays; ++r) take_back_from(a, r);
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
