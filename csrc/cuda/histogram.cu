// A thread for each ray, except where the bins of a ray do not depend on one another.
#include "cuda.h"

namespace nsg::cuda {
namespace {

constexpr int kRays = 64;  // of a block

__global__ void __launch_bounds__(kRays) sample_histogram_kernel(const __grid_constant__ SampleHistogram a) {
    for (int64_t r = begin(); r < a.rays; r += stride()) {
        const float *edges = a.edges + r * (a.bins + 1), *weights = a.weights + r * a.bins;
        const float total = total_weight(weights, a.bins);
        Walk at = begin_walk(weights, total);
        float before = 0.0f;
        for (int64_t k = r * a.places; k < (r + 1) * a.places; ++k) {
            const float share = a.shares[k];
            if (share < before) at = begin_walk(weights, total);
            before = share;
            a.distances[k] = walk_to(at, edges, weights, a.bins, total, share);
        }
    }
}

__global__ void __launch_bounds__(kRays) dilate_histogram_kernel(const __grid_constant__ DilateHistogram a) {
    for (int64_t r = begin(); r < a.rays; r += stride()) {
        dilate_histogram(
            a.edges + r * (a.bins + 1), a.weights + r * a.bins, a.bins, a.dilation, a.lowest, a.highest,
            a.new_edges + r * (3 * a.bins + 1), a.new_weights + r * 3 * a.bins);
    }
}

__global__ void __launch_bounds__(kBlock) interlevel_bound_kernel(const __grid_constant__ InterlevelBoundForward a) {
    for (int64_t n = begin(); n < a.rays * a.bins; n += stride()) {
        const int64_t r = n / a.bins;
        const float *edge = a.edges + n + r, *envelope = a.envelope_edges + r * (a.envelope_bins + 1);
        const Overlap range = overlap(envelope, a.envelope_bins, edge[0], edge[1]);
        float sum = 0.0f;
        for (int64_t k = range.first; k < range.until; ++k) sum += a.envelope_weights[r * a.envelope_bins + k];
        a.bound[n] = sum;
    }
}

__global__ void __launch_bounds__(kRays)
    interlevel_bound_backward_kernel(const __grid_constant__ InterlevelBoundBackward a) {
    for (int64_t r = begin(); r < a.rays; r += stride()) {
        const float *edges = a.edges + r * (a.bins + 1), *envelope = a.envelope_edges + r * (a.envelope_bins + 1);
        float* gradient = a.grad_envelope_weights + r * a.envelope_bins;
        for (int64_t k = 0; k < a.envelope_bins; ++k) gradient[k] = 0.0f;
        for (int64_t i = 0; i < a.bins; ++i) {
            const Overlap range = overlap(envelope, a.envelope_bins, edges[i], edges[i + 1]);
            for (int64_t k = range.first; k < range.until; ++k) gradient[k] += a.grad_bound[r * a.bins + i];
        }
    }
}

}  // namespace

void run(const SampleHistogram& a, const Queue& queue) {
    launch<kRays>(queue, "sample_histogram", sample_histogram_kernel, a, a.rays);
}

void run(const DilateHistogram& a, const Queue& queue) {
    launch<kRays>(queue, "dilate_histogram", dilate_histogram_kernel, a, a.rays);
}

void run(const InterlevelBoundForward& a, const Queue& queue) {
    launch(queue, "interlevel_bound_forward", interlevel_bound_kernel, a, a.rays * a.bins);
}

void run(const InterlevelBoundBackward& a, const Queue& queue) {
    launch<kRays>(queue, "interlevel_bound_backward", interlevel_bound_backward_kernel, a, a.rays);
}

}  // namespace nsg::cuda
