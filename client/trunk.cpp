#include <steward/client/trunk.hpp>

#include <steward/core/errors.hpp>
#include <steward/core/reader.hpp>
#include <steward/core/writer.hpp>

namespace steward::client {
namespace {

constexpr std::uint64_t kVersion = 1;

bool is_kind(std::uint64_t number) {
  return number >= static_cast<std::uint64_t>(FrameKind::hello) &&
         number <= static_cast<std::uint64_t>(FrameKind::end);
}

}  // namespace

std::string encode_frame(const TrunkFrame& frame) {
  const bool has_bytes = frame.kind == FrameKind::data || frame.kind == FrameKind::refused;
  const bool has_count = frame.kind == FrameKind::taken;
  std::string out;
  core::Writer writer(out);
  writer.array(has_bytes || has_count ? 3 : 2);
  writer.natural(kVersion);
  writer.natural(static_cast<std::uint64_t>(frame.kind));
  if (has_bytes) writer.bytes(frame.bytes);
  if (has_count) writer.natural(frame.count);
  return out;
}

std::optional<TrunkFrame> decode_frame(std::string_view bytes) {
  try {
    core::Reader reader(bytes);
    const std::size_t fields = reader.array();
    if (fields < 2 || reader.natural() != kVersion) return std::nullopt;
    const std::uint64_t kind = reader.natural();
    if (!is_kind(kind)) return std::nullopt;
    TrunkFrame frame{static_cast<FrameKind>(kind), {}, 0};
    switch (frame.kind) {
      case FrameKind::hello:
      case FrameKind::welcome:
      case FrameKind::end: return frame;  // later versions may say more
      case FrameKind::data:
      case FrameKind::refused: frame.bytes = reader.bytes(); break;
      case FrameKind::taken: frame.count = reader.natural(); break;
    }
    if (fields != 3) return std::nullopt;
    reader.finish();
    return frame;
  } catch (const BadCall&) {
    return std::nullopt;
  }
}

}  // namespace steward::client
