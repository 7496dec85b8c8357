#pragma once

#include "arrays.h"

template <class B>
void bind_histogram(nb::class_<B>& m) {
    define(
        m, "sample_histogram", {"edges", "weights", "shares", "distances"},
        [](const B& backend, In<B, 2> edges, In<B, 2> weights, In<B, 2> shares, Out<B, 2> distances) {
            const int64_t n = length(edges);
            const auto bins = static_cast<int64_t>(weights.shape(1)), places = static_cast<int64_t>(shares.shape(1));
            require(bins >= 1, "a histogram has 1 bin or more");
            expect("edges", edges, {n, bins + 1});
            expect("weights", weights, {n, bins});
            expect("shares", shares, {n, places});
            expect("distances", distances, {n, places});
            backend.run(
                nsg::SampleHistogram{n, bins, places, edges.data(), weights.data(), shares.data(), distances.data()});
        });
    define(
        m, "dilate_histogram", {"edges", "weights", "dilation", "lowest", "highest", "new_edges", "new_weights"},
        [](const B& backend, In<B, 2> edges, In<B, 2> weights, double dilation, double lowest, double highest,
           Out<B, 2> new_edges, Out<B, 2> new_weights) {
            const int64_t n = length(edges);
            const auto bins = static_cast<int64_t>(weights.shape(1));
            require(bins >= 1, "a histogram has 1 bin or more");
            require(dilation >= 0.0, "dilation must be 0 or more");
            expect("edges", edges, {n, bins + 1});
            expect("weights", weights, {n, bins});
            expect("new_edges", new_edges, {n, 3 * bins + 1});
            expect("new_weights", new_weights, {n, 3 * bins});
            backend.run(
                nsg::DilateHistogram{
                    n, bins, edges.data(), weights.data(), static_cast<float>(dilation), static_cast<float>(lowest),
                    static_cast<float>(highest), new_edges.data(), new_weights.data()});
        });
    define(
        m, "interlevel_loss_forward",
        {"edges", "weights", "envelope_edges", "envelope_weights", "smallest_weight", "loss", "slopes"},
        [](const B& backend, In<B, 2> edges, In<B, 2> weights, In<B, 2> envelope_edges, In<B, 2> envelope_weights,
           double smallest_weight, Out<B, 1> loss, Out<B, 2> slopes) {
            const int64_t n = length(edges);
            const auto bins = static_cast<int64_t>(weights.shape(1));
            const auto envelope_bins = static_cast<int64_t>(envelope_weights.shape(1));
            require(smallest_weight > 0.0, "smallest_weight must be above 0");
            expect("edges", edges, {n, bins + 1});
            expect("weights", weights, {n, bins});
            expect("envelope_edges", envelope_edges, {n, envelope_bins + 1});
            expect("envelope_weights", envelope_weights, {n, envelope_bins});
            expect("loss", loss, {n});
            expect("slopes", slopes, {n, bins});
            backend.run(
                nsg::InterlevelLossForward{
                    n, bins, envelope_bins, edges.data(), weights.data(), envelope_edges.data(),
                    envelope_weights.data(), static_cast<float>(smallest_weight), loss.data(), slopes.data()});
        });
    define(
        m, "interlevel_loss_backward", {"edges", "envelope_edges", "slopes", "grad_loss", "grad_envelope_weights"},
        [](const B& backend, In<B, 2> edges, In<B, 2> envelope_edges, In<B, 2> slopes, In<B, 1> grad_loss,
           Out<B, 2> grad_envelope_weights) {
            const int64_t n = length(edges);
            const auto bins = static_cast<int64_t>(slopes.shape(1));
            const auto envelope_bins = static_cast<int64_t>(grad_envelope_weights.shape(1));
            expect("edges", edges, {n, bins + 1});
            expect("envelope_edges", envelope_edges, {n, envelope_bins + 1});
            expect("slopes", slopes, {n, bins});
            expect("grad_loss", grad_loss, {n});
            expect("grad_envelope_weights", grad_envelope_weights, {n, envelope_bins});
            backend.run(
                nsg::InterlevelLossBackward{
                    n, bins, envelope_bins, edges.data(), envelope_edges.data(), slopes.data(), grad_loss.data(),
                    grad_envelope_weights.data()});
        });
}
