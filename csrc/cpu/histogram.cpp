#include "cpu.h"

namespace nsg::NSG_ISA {
namespace {

// What `overlap` returns, for intervals that follow one another: a walk along the envelope instead of searches.
struct Overlaps {
    const float* envelope_edges;
    int64_t envelope_bins, above = 0, at_least = 0;
    float start = -INFINITY, end = -INFINITY;

    Overlap next(float next_start, float next_end) {
        if (!(next_start >= start)) above = 0;
        if (!(next_end >= end)) at_least = 0;
        start = next_start;
        end = next_end;
        while (above <= envelope_bins && !(envelope_edges[above] > start)) ++above;
        while (at_least <= envelope_bins && envelope_edges[at_least] < end) ++at_least;
        return {above > 0 ? above - 1 : 0, at_least < envelope_bins ? at_least : envelope_bins};
    }
};

}  // namespace

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
        const float* edges = a.edges + r * (a.bins + 1);
        Overlaps overlaps = {a.envelope_edges + r * (a.envelope_bins + 1), a.envelope_bins};
        for (int64_t i = 0; i < a.bins; ++i) {
            const Overlap range = overlaps.next(edges[i], edges[i + 1]);
            float sum = 0.0f;
            for (int64_t k = range.first; k < range.until; ++k) sum += a.envelope_weights[r * a.envelope_bins + k];
            a.bound[r * a.bins + i] = sum;
        }
    }
}

void run(const InterlevelBoundBackward& a) {
#pragma omp parallel for schedule(dynamic, 64) num_threads(num_threads())
    for (int64_t r = 0; r < a.rays; ++r) {
        const float* edges = a.edges + r * (a.bins + 1);
        Overlaps overlaps = {a.envelope_edges + r * (a.envelope_bins + 1), a.envelope_bins};
        float* gradient = a.grad_envelope_weights + r * a.envelope_bins;
        for (int64_t k = 0; k < a.envelope_bins; ++k) gradient[k] = 0.0f;
        for (int64_t i = 0; i < a.bins; ++i) {
            if (a.grad_bound[r * a.bins + i] == 0.0f) continue;  // of most intervals: those that the envelope covers
            const Overlap range = overlaps.next(edges[i], edges[i + 1]);
            for (int64_t k = range.first; k < range.until; ++k) gradient[k] += a.grad_bound[r * a.bins + i];
        }
    }
}

}  // namespace nsg::NSG_ISA
