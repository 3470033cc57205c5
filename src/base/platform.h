// Checks that the platform is one that Stele supports. The Makefile compiles this file before all
// others. So on another platform this message is the only error.
#ifndef STELE_BASE_PLATFORM_H
#define STELE_BASE_PLATFORM_H

#if !defined __linux__ || !defined __LP64__
#error "Stele needs 64-bit Linux: it maps files of any size and uses system calls of Linux."
#endif

#endif
