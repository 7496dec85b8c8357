// From pixels to directions in the frame of their camera. (x, y) lie on the plane at depth 1, x right and y down,
// without distortion; (u, v) are where the lens shows them. OpenGL axes: x right, y up, looking along -z.
#pragma once

#include "platform.h"

namespace nsg {

enum class Lens : int32_t { kPinhole = 0, kOpencv = 1, kFisheye = 2 };

// distortion holds (k1, k2, k3, k4, p1, p2) of each image; it may be null.
struct CameraDirections {
    int64_t rays, images;
    const int64_t* indices;
    const float *pixels, *focal_px, *center_px, *distortion;
    Lens lens;
    float *directions, *radii;
};

constexpr int kNewtonSteps = 12;

// Inverts OpenCV's model u = x (1 + k1 r^2 + ... + k4 r^8) + 2 p1 x y + p2 (r^2 + 2 x^2) by Newton's method.
NSG_HD void undistort(const float* k, float u, float v, float& x, float& y) {
    const float p1 = k[4], p2 = k[5];
    x = u;
    y = v;
    for (int step = 0; step < kNewtonSteps; ++step) {
        const float r = x * x + y * y;
        const float radial = 1.0f + r * (k[0] + r * (k[1] + r * (k[2] + r * k[3])));
        const float slope = k[0] + r * (2.0f * k[1] + r * (3.0f * k[2] + r * 4.0f * k[3]));
        const float fx = x * radial + 2.0f * p1 * x * y + p2 * (r + 2.0f * x * x) - u;
        const float fy = y * radial + 2.0f * p2 * x * y + p1 * (r + 2.0f * y * y) - v;
        const float fxx = radial + 2.0f * slope * x * x + 2.0f * p1 * y + 6.0f * p2 * x;
        const float fxy = 2.0f * slope * x * y + 2.0f * p1 * x + 2.0f * p2 * y;
        const float fyy = radial + 2.0f * slope * y * y + 2.0f * p2 * x + 6.0f * p1 * y;
        const float determinant = fxx * fyy - fxy * fxy;
        // Where the model folds over itself there is no inverse: stay.
        const float inverse = fabsf(determinant) > 1e-6f ? 1.0f / determinant : 0.0f;
        const float dx = (fyy * fx - fxy * fy) * inverse, dy = (fxx * fy - fxy * fx) * inverse;
        x -= dx;
        y -= dy;
    }
}

// Inverts r = a (1 + k1 a^2 + ... + k4 a^8): r the distance from the center, a the angle from the axis.
NSG_HD float fisheye_angle(const float* k, float r) {
    const float pi = 3.14159265f;
    float angle = least(pi, r);
    if (k == nullptr) return angle;
    for (int step = 0; step < kNewtonSteps; ++step) {
        const float s = angle * angle;
        const float value = angle * (1.0f + s * (k[0] + s * (k[1] + s * (k[2] + s * k[3])))) - r;
        const float slope = 1.0f + s * (3.0f * k[0] + s * (5.0f * k[1] + s * (7.0f * k[2] + s * 9.0f * k[3])));
        angle -= slope > 1e-6f ? value / slope : 0.0f;
        angle = least(pi, greatest(0.0f, angle));
    }
    return angle;
}

struct Direction {
    float x, y, z;
};

NSG_HD Direction direction_of(Lens lens, const float* k, float u, float v) {
    if (lens == Lens::kFisheye) {
        const float r = sqrtf(u * u + v * v), angle = fisheye_angle(k, r);
        const float toward = r > 0.0f ? sinf(angle) / r : 1.0f;
        return {u * toward, -v * toward, -cosf(angle)};
    }
    float x = u, y = v;
    if (lens == Lens::kOpencv && k != nullptr) undistort(k, u, v, x, y);
    const float inverse = 1.0f / sqrtf(x * x + y * y + 1.0f);
    return {x * inverse, -y * inverse, -inverse};
}

NSG_HD float distance(Direction a, Direction b) {
    const float x = a.x - b.x, y = a.y - b.y, z = a.z - b.z;
    return sqrtf(x * x + y * y + z * z);
}

NSG_HD void camera_direction(const CameraDirections& a, int64_t i) {
    const int64_t image = a.indices[i];
    const float step_u = 1.0f / a.focal_px[2 * image], step_v = 1.0f / a.focal_px[2 * image + 1];
    const float u = (a.pixels[2 * i] - a.center_px[2 * image]) / a.focal_px[2 * image];
    const float v = (a.pixels[2 * i + 1] - a.center_px[2 * image + 1]) / a.focal_px[2 * image + 1];
    const float* k = a.distortion ? a.distortion + 6 * image : nullptr;
    const Direction middle = direction_of(a.lens, k, u, v);
    const float right = distance(direction_of(a.lens, k, u + step_u, v), middle);
    const float below = distance(direction_of(a.lens, k, u, v + step_v), middle);
    a.directions[3 * i] = middle.x;
    a.directions[3 * i + 1] = middle.y;
    a.directions[3 * i + 2] = middle.z;
    a.radii[i] = 0.5f * (right + below) * 0.577350269f;  // 2 / sqrt(12)
}

}  // namespace nsg
