// Histograms along rays: edges t_0 <= ... <= t_n, weight w_i in the interval from t_i to t_(i+1), which contains its
// lower edge and not its upper one.
#pragma once

#include "platform.h"

namespace nsg {

struct SampleHistogram {
    int64_t rays, bins, places;
    const float *edges, *weights, *shares;
    float* distances;
};

// The widened histogram has 3 bins + 1 edges.
struct DilateHistogram {
    int64_t rays, bins;
    const float *edges, *weights;
    float dilation, lowest, highest;
    float *new_edges, *new_weights;
};

// slopes: derivative of the loss by each weight of the envelope that overlaps a bin.
struct InterlevelLossForward {
    int64_t rays, bins, envelope_bins;
    const float *edges, *weights, *envelope_edges, *envelope_weights;
    float smallest_weight;
    float *loss, *slopes;
};

struct InterlevelLossBackward {
    int64_t rays, bins, envelope_bins;
    const float *edges, *envelope_edges, *slopes, *grad_loss;
    float* grad_envelope_weights;
};

// Index of the first of n ascending values that is above x (or at least x), n if there is none.
NSG_HD int64_t first_above(const float* values, int64_t n, float x) {
    int64_t low = 0, high = n;
    while (low < high) {
        const int64_t middle = (low + high) / 2;
        if (values[middle] > x) high = middle;
        else low = middle + 1;
    }
    return low;
}

NSG_HD int64_t first_at_least(const float* values, int64_t n, float x) {
    int64_t low = 0, high = n;
    while (low < high) {
        const int64_t middle = (low + high) / 2;
        if (values[middle] >= x) high = middle;
        else low = middle + 1;
    }
    return low;
}

// Sum of the weights; that of a ray without any is the number of its bins, each of which then counts as one.
NSG_HD float total_weight(const float* weights, int64_t bins) {
    float total = 0.0f;
    for (int64_t i = 0; i < bins; ++i) total += weights[i];
    return total > 0.0f ? total : -static_cast<float>(bins);
}

// The distance below which a share of the weight lies. Shares must not decrease from call to call of one ray: the walk
// goes on from `bin`, below which the share `below` lies.
struct Walk {
    int64_t bin;
    float sum, below, until;  // running sum; shares below and up to the end of the bin
};

NSG_HD float weight_of(const float* weights, int64_t i, float total) { return total < 0.0f ? 1.0f : weights[i]; }

NSG_HD Walk begin_walk(const float* weights, float total) {
    const float sum = weight_of(weights, 0, total);
    return {0, sum, 0.0f, sum / fabsf(total)};
}

NSG_HD float walk_to(Walk& at, const float* edges, const float* weights, int64_t bins, float total, float share) {
    while (at.bin + 1 < bins && !(at.until > share)) {
        ++at.bin;
        at.sum += weight_of(weights, at.bin, total);
        at.below = at.until;
        at.until = at.sum / fabsf(total);
    }
    const float width = at.until - at.below;
    const float part = width > 0.0f ? (share - at.below) / width : 1.0f;
    const float start = edges[at.bin];
    return start + least(1.0f, greatest(0.0f, part)) * (edges[at.bin + 1] - start);
}

// The k-th smallest of the edges and of the lower and upper borders of the widened intervals, three ascending lists.
struct Merge {
    int64_t edge, lower, upper;
};

NSG_HD float next_edge(Merge& at, const float* edges, int64_t bins, float dilation) {
    const float edge = at.edge <= bins ? edges[at.edge] : INFINITY;
    const float lower = at.lower < bins ? edges[at.lower] - dilation : INFINITY;
    const float upper = at.upper < bins ? edges[at.upper + 1] + dilation : INFINITY;
    if (lower <= edge && lower <= upper) return ++at.lower, lower;
    if (edge <= upper) return ++at.edge, edge;
    return ++at.upper, upper;
}

NSG_HD void dilate_histogram(
    const float* edges, const float* weights, int64_t bins, float dilation, float lowest, float highest,
    float* new_edges, float* new_weights) {
    const float tiny = 1.17549435e-38f;
    Merge at = {0, 0, 0};
    for (int64_t k = 0; k <= 3 * bins; ++k) {
        new_edges[k] = least(highest, greatest(lowest, next_edge(at, edges, bins, dilation)));
    }
    float total = 0.0f;
    int64_t first = 0;
    for (int64_t k = 0; k < 3 * bins; ++k) {
        const float place = new_edges[k];
        // Widened intervals begin and end in order, so those around a place follow one another.
        while (first < bins && edges[first + 1] + dilation <= place) ++first;
        float height = 0.0f;
        for (int64_t i = first; i < bins && edges[i] - dilation <= place; ++i) {
            height = greatest(weights[i] / greatest(edges[i + 1] - edges[i], tiny), height);
        }
        new_weights[k] = height * (new_edges[k + 1] - place);
        total += new_weights[k];
    }
    for (int64_t k = 0; k < 3 * bins; ++k) new_weights[k] /= greatest(total, tiny);
}

struct Overlap {
    int64_t first, until;
};

// Intervals of a histogram that overlap the interval from start to end.
NSG_HD Overlap overlap(const float* edges, int64_t bins, float start, float end) {
    int64_t first = first_above(edges, bins + 1, start) - 1;
    int64_t until = first_at_least(edges, bins + 1, end);
    first = first < 0 ? 0 : first < bins ? first : bins;
    until = until < bins ? until : bins;
    return {first, until};
}

// Sum of what the intervals from first to until have.
NSG_HD float sum_of(const float* values, Overlap range) {
    float sum = 0.0f;
    for (int64_t k = range.first; k < range.until; ++k) sum += values[k];
    return sum;
}

// By how much an interval's weight is above its bound, as max(0, weight - bound)^2 / weight and its derivative by the
// bound.
struct Excess {
    float loss, slope;
};

NSG_HD Excess excess(float weight, float bound, float smallest_weight) {
    const float above = greatest(0.0f, weight - bound), share = above / (weight + smallest_weight);
    return {above * share, -2.0f * share};
}

}  // namespace nsg
