#include <steward/core/codec_read.hpp>

#include <cstddef>
#include <string>
#include <string_view>

#include <msgpack/unpack.hpp>

namespace steward::detail::core {

msgpack::object_handle unpacked_object(std::string_view bytes) {
  try {
    const auto in_place = [](auto, std::size_t, void*) { return true; };
    return msgpack::unpack(bytes.data(), bytes.size(), in_place);
  } catch (const msgpack::unpack_error& error) {
    throw BadCall(std::string("malformed message: ") + error.what());
  }
}

}  // namespace steward::detail::core
