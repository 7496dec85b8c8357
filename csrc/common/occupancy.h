// Upkeep of an occupancy grid: fading, raising, and the cells that no camera sees.
#pragma once

#include "platform.h"

namespace nsg {

// A cell below zero never changes. `updated` may not be `grid`.
struct UpdateOccupancy {
    int64_t cells, visits;
    const float* grid;
    const int64_t* visited;
    const float* values;
    float decay;
    float* updated;
};

struct IsInvisible {
    int64_t points, images;
    const float *positions, *camera_to_world, *focal_px, *center_px;
    float width, height, near;
    bool* invisible;
};

NSG_HD float fade(float value, float decay) { return value < 0.0f ? value : value * decay; }

struct Sight {
    bool is_seen, is_too_near;
};

// OpenGL axes: x right, y up, looking along -z. The principal point counts from the top left corner.
NSG_HD Sight look_at(
    const float* point, const float* camera_to_world, const float* focal, const float* center, float width,
    float height, float near) {
    float local[3] = {0.0f, 0.0f, 0.0f};
    for (int row = 0; row < 3; ++row) {
        const float offset = point[row] - camera_to_world[4 * row + 3];
        for (int d = 0; d < 3; ++d) local[d] += offset * camera_to_world[4 * row + d];
    }
    const float depth = -local[2];
    const float x = center[0] + focal[0] * local[0] / depth, y = center[1] - focal[1] * local[1] / depth;
    const bool is_in_image = depth > 0.0f && x >= 0.0f && x < width && y >= 0.0f && y < height;
    return {is_in_image && depth >= near, is_in_image && depth < near};
}

NSG_HD bool is_invisible(const IsInvisible& a, int64_t i) {
    bool is_seen = false;
    for (int64_t c = 0; c < a.images; ++c) {
        const Sight sight = look_at(
            a.positions + 3 * i, a.camera_to_world + 12 * c, a.focal_px + 2 * c, a.center_px + 2 * c, a.width, a.height,
            a.near);
        if (sight.is_too_near) return true;
        is_seen |= sight.is_seen;
    }
    return !is_seen;
}

}  // namespace nsg
