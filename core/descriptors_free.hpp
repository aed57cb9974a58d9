// Descriptors that ZeroMQ wants and cannot get end the whole process: they are looked for before.
#pragma once

#include <cstddef>

namespace steward::detail::core {

// Throws Overloaded unless this process can open so many descriptors now. They are free again when
// this returns: another thread may be faster.
void check_descriptors_free(std::size_t count);

}  // namespace steward::detail::core
