// memory.h: memory of the device and copies to and from it, in five functions.  Without nvcc the device is this
// machine.
//
// As cudaMalloc does, device_alloc hands out memory full of anything: here NaN, so that a test sees who reads what
// nobody wrote.  Sizes are in bytes.
#ifndef TILT_MEMORY_H
#define TILT_MEMORY_H

#include "thread.h"

static inline void *device_alloc(size_t bytes) {
#ifdef __CUDACC__
    void *p = NULL;
    cuda_check(cudaMalloc(&p, bytes > 0 ? bytes : 1), "cudaMalloc");
    return p;
#else
    return memset(xcalloc(bytes, 1), 0xff, bytes);
#endif
}

static inline void device_free(void *p) {
#ifdef __CUDACC__
    cuda_check(cudaFree(p), "cudaFree");
#else
    free(p);
#endif
}

static inline void device_zero(void *p, size_t bytes) {
#ifdef __CUDACC__
    cuda_check(cudaMemsetAsync(p, 0, bytes, LAUNCH_STREAM), "cudaMemset");
#else
    memset(p, 0, bytes);
#endif
}

static inline void to_device(void *device, const void *host, size_t bytes) {
#ifdef __CUDACC__
    cuda_check(cudaMemcpy(device, host, bytes, cudaMemcpyHostToDevice), "copy to the GPU");
#else
    memcpy(device, host, bytes);
#endif
}

// Waits for all launches before it: an error inside a kernel shows here.
static inline void to_host(void *host, const void *device, size_t bytes) {
#ifdef __CUDACC__
    cuda_check(cudaMemcpy(host, device, bytes, cudaMemcpyDeviceToHost), "copy from the GPU");
#else
    memcpy(host, device, bytes);
#endif
}

// n numbers on the device.  Free with device_free.
#define DEVICE_NEW(type, n) ((type *)device_alloc(size_mul((n), sizeof(type))))

#endif
