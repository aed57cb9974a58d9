// A source that has included all of msgpack-cxx before: see codec_standard_test.cpp.
#include <msgpack.hpp>

#include <steward/tests/core/standard_types.hpp>

namespace steward::detail::test {

std::vector<Way> ways_with_all_of_msgpack();
std::vector<Way> ways_with_all_of_msgpack() { return ways_here(); }

}  // namespace steward::detail::test
