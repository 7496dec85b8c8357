#include "cpu.h"

namespace nsg::NSG_ISA {

void run(const SampleHistogram& a) {
#pragma omp parallel for schedule(dynamic, 64) num_threads(num_threads())
    for (int64_t r = 0; r < a.rays; ++r) {
        const float *edges = a.edges + r * (a.bins + 1), *weights = a.weights + r * a.bins;
        const float total = total_weight(weights, a.bins);
        Walk at = begin_walk(weights, total);
        float before = 0.0f;
        for (int64_t k = r * a.places; k < (r + 1) * a.places; ++k) {
            if (a.shares[k] < before) at = begin_walk(weights, total);
            before = a.shares[k];
            a.distances[k] = walk_to(at, edges, weights, a.bins, total, before);
        }
    }
}

void run(const DilateHistogram& a) {
#pragma omp parallel for schedule(dynamic, 64) num_threads(num_threads())
    for (int64_t r = 0; r < a.rays; ++r) {
        dilate_histogram(
            a.edges + r * (a.bins + 1), a.weights + r * a.bins, a.bins, a.dilation, a.lowest, a.highest,
            a.new_edges + r * (3 * a.bins + 1), a.new_weights + r * 3 * a.bins);
    }
}

void run(const InterlevelBoundForward& a) {
#pragma omp parallel for schedule(dynamic, 64) num_threads(num_threads())
    for (int64_t r = 0; r < a.rays; ++r) {
        const float *edges = a.edges + r * (a.bins + 1), *envelope = a.envelope_edges + r * (a.envelope_bins + 1);
        for (int64_t i = 0; i < a.bins; ++i) {
            const Overlap range = overlap(envelope, a.envelope_bins, edges[i], edges[i + 1]);
            float sum = 0.0f;
            for (int64_t k = range.first; k < range.until; ++k) sum += a.envelope_weights[r * a.envelope_bins + k];
            a.bound[r * a.bins + i] = sum;
        }
    }
}

void run(const InterlevelBoundBackward& a) {
#pragma omp parallel for schedule(dynamic, 64) num_threads(num_threads())
    for (int64_t r = 0; r < a.rays; ++r) {
        const float *edges = a.edges + r * (a.bins + 1), *envelope = a.envelope_edges + r * (a.envelope_bins + 1);
        float* gradient = a.grad_envelope_weights + r * a.envelope_bins;
        for (int64_t k = 0; k < a.envelope_bins; ++k) gradient[k] = 0.0f;
        for (int64_t i = 0; i < a.bins; ++i) {
            const Overlap range = overlap(envelope, a.envelope_bins, edges[i], edges[i + 1]);
            for (int64_t k = range.first; k < range.until; ++k) gradient[k] += a.grad_bound[r * a.bins + i];
        }
    }
}

}  // namespace nsg::NSG_ISA
