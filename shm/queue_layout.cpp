#include <steward/shm/queue_layout.hpp>

#include <algorithm>
#include <bit>

#include <fmt/format.h>

#include <steward/core/errors.hpp>

namespace steward::detail::shm {
namespace {

// How many messages may be taken and not given back yet, beside those that are queued.
constexpr std::uint64_t kInFlight = 1024;
constexpr std::uint64_t kFirstCells = 128;
constexpr std::uint64_t kFirstCellsUnbounded = 1024;

struct ClassPlan {
  std::uint64_t capacity;
  std::uint64_t blocks_max;
};
// Above 16 KiB the blocks bound the memory that one queue may take: about 1 GiB a class.
constexpr std::array<ClassPlan, kSizeClasses> kPlans{{
    {96, 1U << 21U},
    {1U << 10U, 1U << 20U},
    {16U << 10U, 1U << 16U},
    {256U << 10U, 1U << 12U},
    {4U << 20U, 1U << 8U},
    {kMessageBytesMax, 1U << 4U},
}};

// Hands out parts of the segment, each on pages of its own.
class Parts {
 public:
  explicit Parts(std::uint64_t begin) : end_(begin) {}
  std::uint64_t next(std::uint64_t size) {
    constexpr std::uint64_t kPage = QueueLayout::kPage;
    const std::uint64_t at = end_;
    end_ += (size + kPage - 1) / kPage * kPage;
    return at;
  }
  std::uint64_t end() const { return end_; }

 private:
  std::uint64_t end_;
};

void plan_blocks(QueueLayout& layout) {
  const auto& shape = layout.shape;
  std::uint32_t first = 0;
  for (const ClassPlan& plan : kPlans) {
    SizeClass& k = layout.size_classes[layout.classes++];
    k.capacity = std::min(plan.capacity, std::max<std::uint64_t>(shape.message_bytes, 96));
    k.first = first;
    std::uint64_t count = std::min(plan.blocks_max, shape.class_bytes / k.capacity);
    if (shape.maxsize != 0) count = std::min(count, shape.maxsize + kInFlight);
    k.count = static_cast<std::uint32_t>(std::max<std::uint64_t>(count, 1));
    first += k.count;
    if (k.capacity >= shape.message_bytes) break;
  }
  layout.blocks = first;
}

void plan_cells(QueueLayout& layout) {
  const std::uint64_t maxsize = layout.shape.maxsize;
  if (maxsize != 0) {
    layout.segments = 1;
    // More than maxsize: closing and the walk to the end need a spare one.
    layout.segment_cells[0] = std::max(kFirstCells, std::bit_ceil(maxsize + 1));
    return;
  }
  for (std::uint64_t cells = kFirstCellsUnbounded; cells <= kBlocksMax; cells *= 2) {
    layout.segment_cells[layout.segments++] = cells;
  }
}

}  // namespace

QueueLayout QueueLayout::of(const QueueShape& shape) {
  if (shape.maxsize > kMaxsizeMax || shape.message_bytes == 0 ||
      shape.message_bytes > kMessageBytesMax) {
    throw BadCall(fmt::format("no ring for a queue of {} items of up to {} bytes", shape.maxsize,
                              shape.message_bytes));
  }
  QueueLayout layout;
  layout.shape = shape;
  plan_blocks(layout);
  plan_cells(layout);

  Parts parts(kOwners + sizeof(Owner) * (kOwnersMax + 1));
  // As many as there are blocks: it can never be full.
  layout.redelivery_cells = std::bit_ceil(std::uint64_t{layout.blocks});
  layout.redelivery_offset = parts.next(layout.redelivery_cells * sizeof(Word));
  for (unsigned s = 0; s < layout.segments; ++s) {
    layout.segment_offset[s] = parts.next(layout.segment_cells[s] * sizeof(Word));
  }
  for (unsigned i = 0; i < layout.classes; ++i) {
    SizeClass& k = layout.size_classes[i];
    if (i == 0) {
      k.header_stride = k.payload_stride = sizeof(BlockHeader) + k.capacity;
      k.headers = parts.next(k.count * k.header_stride);
      k.payloads = k.headers + sizeof(BlockHeader);
    } else {
      k.header_stride = 64;
      k.payload_stride = (k.capacity + 63) / 64 * 64;
      if (k.payload_stride > kPage) {
        k.payload_stride = (k.payload_stride + kPage - 1) / kPage * kPage;
      }
      k.headers = parts.next(k.count * k.header_stride);
      k.payloads = parts.next(k.count * k.payload_stride);
    }
  }
  layout.size = parts.end();
  return layout;
}

}  // namespace steward::detail::shm
