#include <steward/core/writer.hpp>

#include <array>
#include <bit>
#include <limits>

#include <steward/core/errors.hpp>

namespace steward::detail::core {

template <class Unsigned>
void Writer::big_endian(unsigned tag, Unsigned value) {
  std::array<char, 1 + sizeof(Unsigned)> buffer;
  buffer[0] = static_cast<char>(tag);
  for (std::size_t i = sizeof(Unsigned); i > 0; --i) {
    buffer[i] = static_cast<char>(value & 0xffU);
    if constexpr (sizeof(Unsigned) > 1) value = static_cast<Unsigned>(value >> 8U);
  }
  out_.append(buffer.data(), buffer.size());
}

void Writer::longer_natural(std::uint64_t value) {
  if (value <= 0xff) return big_endian(0xcc, static_cast<std::uint8_t>(value));
  if (value <= 0xffff) return big_endian(0xcd, static_cast<std::uint16_t>(value));
  if (value <= 0xffffffff) return big_endian(0xce, static_cast<std::uint32_t>(value));
  big_endian(0xcf, value);
}

void Writer::integer(std::int64_t value) {
  if (value >= 0) return natural(static_cast<std::uint64_t>(value));
  if (value >= -32) return byte(static_cast<unsigned>(value) & 0xffU);
  if (value >= std::numeric_limits<std::int8_t>::min())
    return big_endian(0xd0, static_cast<std::uint8_t>(value));
  if (value >= std::numeric_limits<std::int16_t>::min())
    return big_endian(0xd1, static_cast<std::uint16_t>(value));
  if (value >= std::numeric_limits<std::int32_t>::min())
    return big_endian(0xd2, static_cast<std::uint32_t>(value));
  big_endian(0xd3, static_cast<std::uint64_t>(value));
}

void Writer::real(double value) { big_endian(0xcb, std::bit_cast<std::uint64_t>(value)); }

void Writer::real32(float value) { big_endian(0xca, std::bit_cast<std::uint32_t>(value)); }

// tag8 0: this family has no 8-bit form.
void Writer::sized(std::size_t size, unsigned tag8, unsigned tag16, unsigned tag32) {
  if (tag8 != 0 && size <= 0xff) return big_endian(tag8, static_cast<std::uint8_t>(size));
  if (size <= 0xffff) return big_endian(tag16, static_cast<std::uint16_t>(size));
  if (size <= 0xffffffff) return big_endian(tag32, static_cast<std::uint32_t>(size));
  throw Overloaded("a value has more than 2^32 - 1 bytes or elements");
}

void Writer::bytes(std::string_view data) {
  sized(data.size(), 0xc4, 0xc5, 0xc6);
  out_.append(data);
}

void Writer::extension(std::int8_t type, std::string_view payload) {
  const std::size_t size = payload.size();
  if (size > 0 && size <= 16 && std::has_single_bit(size)) {
    byte(0xd4U + static_cast<unsigned>(std::countr_zero(size)));
  } else {
    sized(size, 0xc7, 0xc8, 0xc9);
  }
  out_.push_back(static_cast<char>(type));
  out_.append(payload);
}

}  // namespace steward::detail::core
