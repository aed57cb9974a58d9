// Where everything lies in the segment of a queue.
//
//   0        Descriptor
//   4096     hot words, 128 bytes apart
//   8192     participant records (struct Owner), one for each number
//   ...      redelivery ring | parts of the main ring | per size class: block headers, payloads
//
// All but the fixed part follows from the descriptor, which is read once and checked. Every part
// begins on a page of its own, and most pages never get memory.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include <steward/shm/queue_words.hpp>
#include <steward/shm/wait.hpp>

namespace steward::detail::shm {

inline constexpr unsigned kSizeClasses = 6;

// What a queue is made with.
struct QueueShape {
  std::uint64_t maxsize = 0;  // 0: unbounded
  std::uint64_t message_bytes = std::uint64_t{64} << 20U;
  // All blocks of one size together take at most this much address space, but there is always at
  // least one. A block takes memory only when it is used.
  std::uint64_t class_bytes = std::uint64_t{16} << 30U;
  // Where the counters start: tests begin shortly before these wrap.
  std::uint64_t first_lap = 0;
  std::uint64_t first_generation = 0;

  friend bool operator==(const QueueShape&, const QueueShape&) = default;
};

// The most items a bounded queue may have here; a larger one stays in the manager.
inline constexpr std::uint64_t kMaxsizeMax = std::uint64_t{1} << 20U;
inline constexpr std::uint64_t kMessageBytesMax = std::uint64_t{1} << 30U;

struct Descriptor {
  static constexpr std::uint64_t kMagic = 0x0045554555513156;
  static constexpr std::uint32_t kVersion = 2;

  std::uint64_t magic = kMagic;
  std::uint32_t version = kVersion;
  std::uint32_t reserved = 0;
  QueueShape shape;
};
static_assert(sizeof(Descriptor) == 56);

// Two lines apart, as processors fetch lines in pairs.
template <class T>
struct alignas(128) Hot {
  T word;
};

struct HotWords {
  std::array<Hot<std::atomic<Word>>, 4> hints;       // by Hint
  std::array<Hot<FutexWord>, 4> events;              // by Event
  Hot<std::atomic<Word>> next_expiry;
  std::array<Hot<std::atomic<Word>>, kSizeClasses> ready_blocks;
  Hot<std::atomic<Word>> ready_segments;
  Hot<std::atomic<Word>> ready_redelivery;           // cells
  Hot<std::atomic<Word>> owners_end;                 // no owner of this number or above
  Hot<std::atomic<Word>> ended;                      // 1: its manager has shut down
};
static_assert(sizeof(HotWords) == 19 * 128 && sizeof(HotWords) <= 4096);

struct alignas(64) Owner {
  std::atomic<Word> dirty;      // 1: somebody takes or took part; cleared after its recovery
  std::atomic<Word> open_tasks;  // taken by it and not reported done
};
static_assert(sizeof(Owner) == 64);

// The payload follows at once in the smallest class, where one line holds both, and lies in a slab
// of its own in the others.
struct BlockHeader {
  std::atomic<Word> state;
  std::atomic<Word> pos;
  std::atomic<Word> lease_end;  // nanoseconds of the steady clock
  std::uint32_t length;         // of the payload; this and the next belong to the block's holder
  std::uint32_t format;
};
static_assert(sizeof(BlockHeader) == 32 && std::atomic<Word>::is_always_lock_free);

struct SizeClass {
  std::uint64_t capacity = 0;  // bytes of payload
  std::uint32_t first = 0;     // its blocks' numbers
  std::uint32_t count = 0;
  std::uint64_t headers = 0;  // offsets
  std::uint64_t payloads = 0;
  std::uint64_t header_stride = 0;
  std::uint64_t payload_stride = 0;
};

// Offset, from a block's header, of the number of payload bytes that have pages.
inline constexpr std::uint64_t kRealBytesOffset = 32;

struct QueueLayout {
  static constexpr std::uint64_t kPage = 4096;
  static constexpr std::uint64_t kHotWords = kPage;
  static constexpr std::uint64_t kOwners = 2 * kPage;

  QueueShape shape;
  unsigned segments = 0;
  std::array<std::uint64_t, kSegmentsMax> segment_cells{};  // how many, a power of two
  std::array<std::uint64_t, kSegmentsMax> segment_offset{};
  std::uint64_t redelivery_cells = 0;
  std::uint64_t redelivery_offset = 0;
  unsigned classes = 0;
  std::array<SizeClass, kSizeClasses> size_classes{};
  std::uint32_t blocks = 0;  // of all classes
  std::uint64_t size = 0;

  // Throws BadCall for a shape that a ring cannot have.
  static QueueLayout of(const QueueShape& shape);
};

}  // namespace steward::detail::shm
