// What the two compilers call the same thing.
#pragma once

#ifdef __CUDACC__
// A function for the device and for the host.
#define HD __host__ __device__ __forceinline__
#else
#define HD inline
#endif
