#include <algorithm>
#include <vector>

#include "cpu.h"

namespace nsg::NSG_ISA {
namespace {

// What `overlap` returns for all intervals of one histogram upon another. Comparing all edges with all is quicker than
// walking along them: it has no branches.
class Overlaps {
  public:
    Overlaps(int64_t bins, int64_t other_bins)
        : bins_(bins), other_bins_(other_bins), below_(bins + 1), up_to_(bins + 1), sums_(other_bins + 1) {}

    void find(const float* edges, const float* other_edges) {
        std::fill(below_.begin(), below_.end(), 0);
        std::fill(up_to_.begin(), up_to_.end(), 0);
        int32_t *below = below_.data(), *up_to = up_to_.data();
        for (int64_t k = 0; k <= other_bins_; ++k) {
            const float other = other_edges[k];
#pragma omp simd
            for (int64_t i = 0; i <= bins_; ++i) {
                below[i] += other < edges[i];
                up_to[i] += other <= edges[i];
            }
        }
    }

    // Sum, for each interval, of what the other histogram's overlapping intervals have. Differences of running sums,
    // in double precision so that nothing of a small sum is lost beside a large one.
    void sum(const float* values, float* sums) {
        for (int64_t k = 0; k < other_bins_; ++k) sums_[k + 1] = sums_[k] + static_cast<double>(values[k]);
        const auto last = static_cast<int32_t>(other_bins_);
        for (int64_t i = 0; i < bins_; ++i) {
            const int32_t first = std::max(up_to_[i] - 1, 0), until = std::min(below_[i + 1], last);
            sums[i] = first < until ? static_cast<float>(sums_[until] - sums_[first]) : 0.0f;
        }
    }

  private:
    int64_t bins_, other_bins_;
    std::vector<int32_t> below_, up_to_;
    std::vector<double> sums_;
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

void run(const InterlevelLossForward& a) {
#pragma omp parallel num_threads(num_threads())
    {
        Overlaps overlaps(a.bins, a.envelope_bins);
#pragma omp for schedule(dynamic, 64)
        for (int64_t r = 0; r < a.rays; ++r) {
            const float* weights = a.weights + r * a.bins;
            float *slopes = a.slopes + r * a.bins, loss = 0.0f;
            overlaps.find(a.edges + r * (a.bins + 1), a.envelope_edges + r * (a.envelope_bins + 1));
            overlaps.sum(a.envelope_weights + r * a.envelope_bins, slopes);
            for (int64_t i = 0; i < a.bins; ++i) {
                const Excess found = excess(weights[i], slopes[i], a.smallest_weight);
                loss += found.loss;
                slopes[i] = found.slope;
            }
            a.loss[r] = loss;
        }
    }
}

// Two intervals overlap whichever of them is asked: the envelope's gather from the others.
void run(const InterlevelLossBackward& a) {
#pragma omp parallel num_threads(num_threads())
    {
        Overlaps overlaps(a.envelope_bins, a.bins);
#pragma omp for schedule(dynamic, 64)
        for (int64_t r = 0; r < a.rays; ++r) {
            float* gradient = a.grad_envelope_weights + r * a.envelope_bins;
            overlaps.find(a.envelope_edges + r * (a.envelope_bins + 1), a.edges + r * (a.bins + 1));
            overlaps.sum(a.slopes + r * a.bins, gradient);
            for (int64_t k = 0; k < a.envelope_bins; ++k) gradient[k] *= a.grad_loss[r];
        }
    }
}

}  // namespace nsg::NSG_ISA
