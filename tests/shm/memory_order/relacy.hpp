// Relacy, so that the rest of a program can live with it.
//
// For one file of a program, after all other headers: Relacy takes names of the language for its
// macros and replaces operator new.
#pragma once

#include <cstddef>

#include <relacy/relacy.hpp>
#undef memory_order_relaxed
#undef memory_order_consume
#undef memory_order_acquire
#undef memory_order_release
#undef memory_order_acq_rel
#undef memory_order_seq_cst
#undef new
#undef delete
#undef malloc
#undef calloc
#undef realloc
#undef free
#undef assert
#undef errno

// It replaces the others, and inline: these two must go with them, and what libraries call must be
// the same ones.
void operator delete(void* at, std::size_t) noexcept { ::operator delete(at); }
void operator delete[](void* at, std::size_t) noexcept { ::operator delete[](at); }

namespace steward::detail::test {

[[maybe_unused]] inline void* (*const volatile kept_new)(std::size_t) = &::operator new;
[[maybe_unused]] inline void* (*const volatile kept_array_new)(std::size_t) = &::operator new[];
[[maybe_unused]] inline void (*const volatile kept_delete)(void*) = &::operator delete;
[[maybe_unused]] inline void (*const volatile kept_array_delete)(void*) = &::operator delete[];

}  // namespace steward::detail::test
