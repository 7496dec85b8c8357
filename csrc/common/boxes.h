// Rays through oriented boxes, many for each ray.
#pragma once

#include "march.h"

namespace nsg {

// world_to_box maps each box to the cube from -1 to 1. A candidate is the index of a box, or -1.
struct IntersectBoxes {
    int64_t rays, slots, boxes;
    const float *origins, *directions, *world_to_box;
    const int64_t* candidates;
    float *near, *far;
};

NSG_HD Span intersect_oriented_box(const float* origin, const float* direction, const float* world_to_box) {
    const float lower[3] = {-1.0f, -1.0f, -1.0f}, upper[3] = {1.0f, 1.0f, 1.0f};
    float start[3], along[3];
    for (int d = 0; d < 3; ++d) {
        const float* row = world_to_box + 4 * d;
        start[d] = row[0] * origin[0] + row[1] * origin[1] + row[2] * origin[2] + row[3];
        along[d] = row[0] * direction[0] + row[1] * direction[1] + row[2] * direction[2];
    }
    return intersect_box(start, along, lower, upper);
}

}  // namespace nsg
