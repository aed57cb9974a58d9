// Pictures as files: rows of pixels, three bytes each, as PNG and PPM.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace examples {

using Rows = std::vector<std::string>;

inline std::string ppm(int width, const Rows& rows) {
  std::string file = "P6\n" + std::to_string(width) + ' ' + std::to_string(rows.size()) + "\n255\n";
  for (const std::string& row : rows) file += row;
  return file;
}

namespace png_parts {

inline std::string big_endian(std::uint32_t number) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(number >> shift & 0xFFU);
  return bytes;
}

inline std::uint32_t crc32(std::string_view bytes) {
  std::uint32_t crc = 0xFFFFFFFF;
  for (const char byte : bytes) {
    crc ^= static_cast<unsigned char>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ ((crc & 1U) != 0 ? 0xEDB88320 : 0);
  }
  return ~crc;
}

inline std::uint32_t adler32(std::string_view bytes) {
  std::uint32_t a = 1;
  std::uint32_t b = 0;
  for (const char byte : bytes) {
    a = (a + static_cast<unsigned char>(byte)) % 65521;
    b = (b + a) % 65521;
  }
  return b << 16 | a;
}

inline std::string chunk(const std::string& type, const std::string& data) {
  return big_endian(static_cast<std::uint32_t>(data.size())) + type + data +
         big_endian(crc32(type + data));
}

// A zlib stream that stores: of its two ways the one that needs no compressor.
inline std::string stored(std::string_view bytes) {
  std::string out = "\x78\x01";
  const std::uint32_t checksum = adler32(bytes);
  do {
    const std::size_t size = std::min<std::size_t>(bytes.size(), 0xFFFF);
    const bool last = size == bytes.size();
    const auto low = static_cast<char>(size & 0xFFU);
    const auto high = static_cast<char>(size >> 8);
    out += {static_cast<char>(last), low, high, static_cast<char>(~low), static_cast<char>(~high)};
    out += bytes.substr(0, size);
    bytes.remove_prefix(size);
  } while (!bytes.empty());
  return out + big_endian(checksum);
}

}  // namespace png_parts

inline std::string png(int width, const Rows& rows) {
  using namespace png_parts;
  std::string pixels;
  for (const std::string& row : rows) pixels += '\0' + row;  // in front: that it is not filtered
  const std::string eight_bits_of_rgb("\x08\x02\x00\x00\x00", 5);
  return "\x89PNG\r\n\x1A\n" +
         chunk("IHDR", big_endian(static_cast<std::uint32_t>(width)) +
                           big_endian(static_cast<std::uint32_t>(rows.size())) +
                           eight_bits_of_rgb) +
         chunk("IDAT", stored(pixels)) + chunk("IEND", "");
}

}  // namespace examples
