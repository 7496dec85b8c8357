#pragma once

#include "arrays.h"

// Samples to composite; those that were merged have an order and places.
template <class B>
struct Samples {
    In<B, 1> densities;
    In<B, 2> colors;
    In<B, 1> starts, ends;
    Indices<B, 1> offsets;
    std::optional<Indices<B, 1>> order;
    std::optional<In<B, 1>> places;

    // Returns the number of rays.
    int64_t check() const {
        const int64_t n = length(densities);
        expect("colors", colors, {n, 3});
        expect("starts", starts, {n});
        expect("ends", ends, {n});
        if (order) {
            expect("order", *order, {n});
            expect_below<B, 1>("order", *order, 0, n);
        }
        if (places) expect("places", *places, {n});
        return num_rays<B>(offsets, n);
    }
};

template <class B>
void composite(
    const B& backend, const Samples<B>& samples, double threshold, const Out<B, 1>& weights, const Out<B, 2>& color,
    const Out<B, 1>& opacity, const Out<B, 1>& depth_sum) {
    const int64_t n = length(samples.densities), rays = samples.check();
    expect("weights", weights, {n});
    expect("color", color, {rays, 3});
    expect("opacity", opacity, {rays});
    expect("depth_sum", depth_sum, {rays});
    backend.run(
        nsg::CompositeForward{
            rays, n, samples.densities.data(), samples.colors.data(), samples.starts.data(), samples.ends.data(),
            samples.offsets.data(), address(samples.order), address(samples.places), static_cast<float>(threshold),
            weights.data(), color.data(), opacity.data(), depth_sum.data()});
}

template <class B>
void composite_back(
    const B& backend, const Samples<B>& samples, double threshold, const In<B, 1>& grad_weights,
    const In<B, 2>& grad_color, const In<B, 1>& grad_opacity, const In<B, 1>& grad_depth_sum,
    const Out<B, 1>& grad_densities, const Out<B, 2>& grad_colors) {
    const int64_t n = length(samples.densities), rays = samples.check();
    expect("grad_weights", grad_weights, {n});
    expect("grad_color", grad_color, {rays, 3});
    expect("grad_opacity", grad_opacity, {rays});
    expect("grad_depth_sum", grad_depth_sum, {rays});
    expect("grad_densities", grad_densities, {n});
    expect("grad_colors", grad_colors, {n, 3});
    backend.run(
        nsg::CompositeBackward{
            rays, n, samples.densities.data(), samples.colors.data(), samples.starts.data(), samples.ends.data(),
            samples.offsets.data(), address(samples.order), address(samples.places), static_cast<float>(threshold),
            grad_weights.data(), grad_color.data(), grad_opacity.data(), grad_depth_sum.data(), grad_densities.data(),
            grad_colors.data()});
}

template <class B>
void bind_composite(nb::class_<B>& m) {
    define(
        m, "composite_forward",
        {"densities", "colors", "starts", "ends", "offsets", "transmittance_threshold", "weights", "color", "opacity",
         "depth_sum"},
        [](const B& backend, In<B, 1> densities, In<B, 2> colors, In<B, 1> starts, In<B, 1> ends, Indices<B, 1> offsets,
           double threshold, Out<B, 1> weights, Out<B, 2> color, Out<B, 1> opacity, Out<B, 1> depth_sum) {
            composite<B>(
                backend, {densities, colors, starts, ends, offsets}, threshold, weights, color, opacity, depth_sum);
        });
    define(
        m, "composite_backward",
        {"densities", "colors", "starts", "ends", "offsets", "transmittance_threshold", "grad_weights", "grad_color",
         "grad_opacity", "grad_depth_sum", "grad_densities", "grad_colors"},
        [](const B& backend, In<B, 1> densities, In<B, 2> colors, In<B, 1> starts, In<B, 1> ends, Indices<B, 1> offsets,
           double threshold, In<B, 1> grad_weights, In<B, 2> grad_color, In<B, 1> grad_opacity, In<B, 1> grad_depth_sum,
           Out<B, 1> grad_densities, Out<B, 2> grad_colors) {
            composite_back<B>(
                backend, {densities, colors, starts, ends, offsets}, threshold, grad_weights, grad_color, grad_opacity,
                grad_depth_sum, grad_densities, grad_colors);
        });
}

// The same of samples that were merged.
template <class B>
void bind_composite_merged(nb::class_<B>& m) {
    define(
        m, "composite_merged_forward",
        {"densities", "colors", "starts", "ends", "offsets", "order", "places", "transmittance_threshold", "weights",
         "color", "opacity", "depth_sum"},
        [](const B& backend, In<B, 1> densities, In<B, 2> colors, In<B, 1> starts, In<B, 1> ends, Indices<B, 1> offsets,
           Indices<B, 1> order, In<B, 1> places, double threshold, Out<B, 1> weights, Out<B, 2> color,
           Out<B, 1> opacity, Out<B, 1> depth_sum) {
            composite<B>(
                backend, {densities, colors, starts, ends, offsets, order, places}, threshold, weights, color, opacity,
                depth_sum);
        });
    define(
        m, "composite_merged_backward",
        {"densities", "colors", "starts", "ends", "offsets", "order", "places", "transmittance_threshold",
         "grad_weights", "grad_color", "grad_opacity", "grad_depth_sum", "grad_densities", "grad_colors"},
        [](const B& backend, In<B, 1> densities, In<B, 2> colors, In<B, 1> starts, In<B, 1> ends, Indices<B, 1> offsets,
           Indices<B, 1> order, In<B, 1> places, double threshold, In<B, 1> grad_weights, In<B, 2> grad_color,
           In<B, 1> grad_opacity, In<B, 1> grad_depth_sum, Out<B, 1> grad_densities, Out<B, 2> grad_colors) {
            composite_back<B>(
                backend, {densities, colors, starts, ends, offsets, order, places}, threshold, grad_weights, grad_color,
                grad_opacity, grad_depth_sum, grad_densities, grad_colors);
        });
}

template <class B>
void bind_volume(nb::class_<B>& m) {
    bind_composite(m);
    bind_composite_merged(m);
    define(
        m, "distortion_forward", {"weights", "starts", "ends", "offsets", "loss"},
        [](const B& backend, In<B, 1> weights, In<B, 1> starts, In<B, 1> ends, Indices<B, 1> offsets, Out<B, 1> loss) {
            const int64_t n = length(weights), rays = num_rays<B>(offsets, n);
            expect("starts", starts, {n});
            expect("ends", ends, {n});
            expect("loss", loss, {rays});
            backend.run(
                nsg::DistortionForward{
                    rays, n, weights.data(), starts.data(), ends.data(), offsets.data(), loss.data()});
        });
    define(
        m, "distortion_backward", {"weights", "starts", "ends", "offsets", "grad_loss", "grad_weights"},
        [](const B& backend, In<B, 1> weights, In<B, 1> starts, In<B, 1> ends, Indices<B, 1> offsets,
           In<B, 1> grad_loss, Out<B, 1> grad_weights) {
            const int64_t n = length(weights), rays = num_rays<B>(offsets, n);
            expect("starts", starts, {n});
            expect("ends", ends, {n});
            expect("grad_loss", grad_loss, {rays});
            expect("grad_weights", grad_weights, {n});
            backend.run(
                nsg::DistortionBackward{
                    rays, n, weights.data(), starts.data(), ends.data(), offsets.data(), grad_loss.data(),
                    grad_weights.data()});
        });
}
