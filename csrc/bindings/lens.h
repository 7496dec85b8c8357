#pragma once

#include "arrays.h"

template <class B>
void bind_lens(nb::class_<B>& m) {
    define(
        m, "camera_directions",
        {"images", "pixels", "focal_px", "center_px", "distortion", "lens", "directions", "radii"},
        [](const B& backend, Indices<B, 1> images, In<B, 2> pixels, In<B, 2> focal_px, In<B, 2> center_px,
           std::optional<In<B, 2>> distortion, int lens, Out<B, 2> directions, Out<B, 1> radii) {
            const int64_t n = length(images), cameras = length(focal_px);
            require(lens >= 0 && lens <= 2, "lens must be 0 (pinhole), 1 (opencv) or 2 (fisheye)");
            expect("pixels", pixels, {n, 2});
            expect("focal_px", focal_px, {cameras, 2});
            expect("center_px", center_px, {cameras, 2});
            if (distortion) expect("distortion", *distortion, {cameras, 6});
            expect("directions", directions, {n, 3});
            expect("radii", radii, {n});
            expect_below<B, 1>("images", images, 0, cameras);
            backend.run(
                nsg::CameraDirections{
                    n, cameras, images.data(), pixels.data(), focal_px.data(), center_px.data(), address(distortion),
                    static_cast<nsg::Lens>(lens), directions.data(), radii.data()});
        });
}
