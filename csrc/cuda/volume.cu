// Volume rendering: a warp for each ray, its lanes side by side on 32 samples at a time. What a ray has gathered before
// a sample comes from sums and products over the lanes before it, in a fixed order.
#include "cuda.h"

namespace nsg::cuda {
namespace {

__device__ int64_t first_ray() { return begin() / kWarp; }
__device__ int64_t ray_stride() { return stride() / kWarp; }

// Where the density and color of a sample stand, and what its depth is.
template <class Composite>
__device__ int64_t source(const Composite& a, int64_t i) {
    return a.order ? a.order[i] : i;
}

template <class Composite>
__device__ float place(const Composite& a, int64_t i) {
    return a.places ? a.places[i] : 0.5f * (a.starts[i] + a.ends[i]);
}

// One sample in each lane, and the transmittance in front of and behind it.
struct Sample {
    Exponential passed;
    float before, after;
    bool is_lit;

    // All lanes call this; `count` of them have a sample. `transmittance` is that in front of the first.
    template <class Composite>
    __device__ Sample(const Composite& a, int64_t i, int64_t count, float transmittance) {
        const bool is_there = lane() < count;
        passed = exponential(is_there ? -a.densities[source(a, i)] * (a.ends[i] - a.starts[i]) : 0.0f);
        after = transmittance * product_so_far(passed.exp);
        before = from_lane_before(after, transmittance);
        // The first sample in the dark ends the ray, whatever comes behind it.
        const unsigned unlit = __ballot_sync(kAllLanes, !(is_there && before > a.transmittance_threshold));
        is_lit = (unlit & ((2u << lane()) - 1)) == 0;
    }
};

__global__ void __launch_bounds__(kBlock) composite_kernel(const __grid_constant__ CompositeForward a) {
    for (int64_t r = first_ray(); r < a.rays; r += ray_stride()) {
        const int64_t end = a.offsets[r + 1];
        Composited ray = dark();
        float transmittance = 1.0f;
        int64_t first = a.offsets[r];
        for (; first < end && transmittance > a.transmittance_threshold; first += kWarp) {
            const int64_t i = first + lane();
            const Sample sample(a, i, end - first, transmittance);
            float weight = 0.0f;
            if (sample.is_lit) {
                ray.transmittance = sample.before;
                weight = add_sample(ray, sample.passed, a.colors + 3 * source(a, i), place(a, i));
            }
            if (i < end) a.weights[i] = weight;
            transmittance = from_lane(sample.after, kWarp - 1);
        }
        for (int64_t i = first + lane(); i < end; i += kWarp) a.weights[i] = 0.0f;
        const float red = sum_of_all(ray.red), green = sum_of_all(ray.green), blue = sum_of_all(ray.blue);
        const float opacity = sum_of_all(ray.opacity), depth_sum = sum_of_all(ray.depth_sum);
        if (lane() == 0) {
            a.color[3 * r] = red;
            a.color[3 * r + 1] = green;
            a.color[3 * r + 2] = blue;
            a.opacity[r] = opacity;
            a.depth_sum[r] = depth_sum;
        }
    }
}

__global__ void __launch_bounds__(kBlock) composite_backward_kernel(const __grid_constant__ CompositeBackward a) {
    for (int64_t r = first_ray(); r < a.rays; r += ray_stride()) {
        const int64_t start = a.offsets[r], end = a.offsets[r + 1];
        const float* grad_color = a.grad_color + 3 * r;
        // Forwards: each lane keeps the weight of its sample where the gradient of the color will stand, and the
        // transmittance behind it where that of the density will.
        float transmittance = 1.0f;
        int64_t first = start;
        for (; first < end && transmittance > a.transmittance_threshold; first += kWarp) {
            const int64_t i = first + lane();
            const Sample sample(a, i, end - first, transmittance);
            if (i < end) {
                const int64_t at = source(a, i);
                a.grad_colors[3 * at] = sample.is_lit ? sample.before * -sample.passed.expm1 : 0.0f;
                a.grad_densities[at] = sample.is_lit ? sample.after : 0.0f;
            }
            transmittance = from_lane(sample.after, kWarp - 1);
        }
        for (int64_t i = first + lane(); i < end; i += kWarp) {
            const int64_t at = source(a, i);
            a.grad_densities[at] = 0.0f;
            for (int c = 0; c < 3; ++c) a.grad_colors[3 * at + c] = 0.0f;
        }
        // Backwards: what a sample loses of the light of those behind it.
        float behind = 0.0f;
        while (first > start) {
            first -= kWarp;
            const int64_t i = first + lane();
            const bool is_there = i < end;
            const int64_t at = is_there ? source(a, i) : 0;
            const float weight = is_there ? a.grad_colors[3 * at] : 0.0f;
            const float after = is_there ? a.grad_densities[at] : 0.0f;
            const bool is_lit = weight != 0.0f || after != 0.0f;
            const float gradient = is_lit ? weight_gradient(
                                                a.grad_weights[i], grad_color, a.grad_opacity[r], a.grad_depth_sum[r],
                                                a.colors + 3 * at, place(a, i))
                                          : 0.0f;
            const float from_here = sum_from_here(gradient * weight);
            const float lost = behind + from_lane_after(from_here, 0.0f);
            if (is_there) {
                a.grad_densities[at] = is_lit ? (a.ends[i] - a.starts[i]) * (gradient * after - lost) : 0.0f;
                for (int c = 0; c < 3; ++c) a.grad_colors[3 * at + c] = weight * grad_color[c];
            }
            behind += from_lane(from_here, 0);
        }
    }
}

// Sums over the ray up to each lane's sample, given those up to the first lane's.
struct Prefix {
    Moments before;
    Moments until;  // the last lane's sample, with it

    __device__ Prefix(Moments first, float w, float midpoint) {
        const float sum_w = sum_so_far(w), sum_wm = sum_so_far(w * midpoint);
        before = {first.w + from_lane_before(sum_w, 0.0f), first.wm + from_lane_before(sum_wm, 0.0f)};
        until = {first.w + from_lane(sum_w, kWarp - 1), first.wm + from_lane(sum_wm, kWarp - 1)};
    }
};

// A lane's sample of the distortion loss; all zero where there is none.
struct Interval {
    float weight, midpoint, length;

    __device__ Interval(const float* weights, const float* starts, const float* ends, int64_t i, int64_t end) {
        const bool is_there = i < end;
        weight = is_there ? weights[i] : 0.0f;
        const float from = is_there ? starts[i] : 0.0f, to = is_there ? ends[i] : 0.0f;
        midpoint = 0.5f * (from + to);
        length = to - from;
    }
};

__global__ void __launch_bounds__(kBlock) distortion_kernel(const __grid_constant__ DistortionForward a) {
    for (int64_t r = first_ray(); r < a.rays; r += ray_stride()) {
        const int64_t end = a.offsets[r + 1];
        Moments so_far = {0.0f, 0.0f};
        float loss = 0.0f;
        for (int64_t first = a.offsets[r]; first < end; first += kWarp) {
            const Interval sample(a.weights, a.starts, a.ends, first + lane(), end);
            Prefix prefix(so_far, sample.weight, sample.midpoint);
            loss += add_distortion(prefix.before, sample.weight, sample.midpoint, sample.length);
            so_far = prefix.until;
        }
        loss = sum_of_all(loss);
        if (lane() == 0) a.loss[r] = loss;
    }
}

__global__ void __launch_bounds__(kBlock) distortion_backward_kernel(const __grid_constant__ DistortionBackward a) {
    for (int64_t r = first_ray(); r < a.rays; r += ray_stride()) {
        const int64_t start = a.offsets[r], end = a.offsets[r + 1];
        Moments total = {0.0f, 0.0f};
        for (int64_t i = start + lane(); i - lane() < end; i += kWarp) {
            const Interval sample(a.weights, a.starts, a.ends, i, end);
            total.w += sample.weight;
            total.wm += sample.weight * sample.midpoint;
        }
        total = {sum_of_all(total.w), sum_of_all(total.wm)};
        Moments so_far = {0.0f, 0.0f};
        for (int64_t first = start; first < end; first += kWarp) {
            const int64_t i = first + lane();
            const Interval sample(a.weights, a.starts, a.ends, i, end);
            const Prefix prefix(so_far, sample.weight, sample.midpoint);
            if (i < end) {
                a.grad_weights[i] =
                    a.grad_loss[r] *
                    distortion_gradient(prefix.before, total, sample.weight, sample.midpoint, sample.length);
            }
            so_far = prefix.until;
        }
    }
}

}  // namespace

void run(const CompositeForward& a, const Queue& queue) {
    launch(queue, "composite_forward", composite_kernel, a, kWarp * a.rays);
}

void run(const CompositeBackward& a, const Queue& queue) {
    launch(queue, "composite_backward", composite_backward_kernel, a, kWarp * a.rays);
}

void run(const DistortionForward& a, const Queue& queue) {
    launch(queue, "distortion_forward", distortion_kernel, a, kWarp * a.rays);
}

void run(const DistortionBackward& a, const Queue& queue) {
    launch(queue, "distortion_backward", distortion_backward_kernel, a, kWarp * a.rays);
}

}  // namespace nsg::cuda
