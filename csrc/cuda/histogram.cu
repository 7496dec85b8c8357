// A thread for each ray where its bins depend on one another.
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

// A warp for each ray.
__global__ void __launch_bounds__(kBlock) interlevel_loss_kernel(const __grid_constant__ InterlevelLossForward a) {
    for (int64_t r = begin() / kWarp; r < a.rays; r += stride() / kWarp) {
        const float *edges = a.edges + r * (a.bins + 1), *envelope_edges = a.envelope_edges + r * (a.envelope_bins + 1);
        float loss = 0.0f;
        for (int64_t i = lane(); i < a.bins; i += kWarp) {
            const Overlap range = overlap(envelope_edges, a.envelope_bins, edges[i], edges[i + 1]);
            const float bound = sum_of(a.envelope_weights + r * a.envelope_bins, range);
            const Excess found = excess(a.weights[r * a.bins + i], bound, a.smallest_weight);
            loss += found.loss;
            a.slopes[r * a.bins + i] = found.slope;
        }
        loss = sum_of_all(loss);
        if (lane() == 0) a.loss[r] = loss;
    }
}

// Two intervals overlap whichever of them is asked: a thread for each of the envelope's gathers from the others.
__global__ void __launch_bounds__(kBlock)
    interlevel_loss_backward_kernel(const __grid_constant__ InterlevelLossBackward a) {
    for (int64_t n = begin(); n < a.rays * a.envelope_bins; n += stride()) {
        const int64_t r = n / a.envelope_bins;
        const float* envelope_edge = a.envelope_edges + n + r;
        const Overlap range = overlap(a.edges + r * (a.bins + 1), a.bins, envelope_edge[0], envelope_edge[1]);
        a.grad_envelope_weights[n] = a.grad_loss[r] * sum_of(a.slopes + r * a.bins, range);
    }
}

}  // namespace

void run(const SampleHistogram& a, const Queue& queue) {
    launch<kRays>(queue, "sample_histogram", sample_histogram_kernel, a, a.rays);
}

void run(const DilateHistogram& a, const Queue& queue) {
    launch<kRays>(queue, "dilate_histogram", dilate_histogram_kernel, a, a.rays);
}

void run(const InterlevelLossForward& a, const Queue& queue) {
    launch(queue, "interlevel_loss_forward", interlevel_loss_kernel, a, a.rays * kWarp);
}

void run(const InterlevelLossBackward& a, const Queue& queue) {
    launch(queue, "interlevel_loss_backward", interlevel_loss_backward_kernel, a, a.rays * a.envelope_bins);
}

}  // namespace nsg::cuda
