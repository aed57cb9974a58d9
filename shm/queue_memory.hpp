// QueueMemory: the words of a queue's segment, for Ring, and the bytes of its blocks.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include <steward/shm/queue_layout.hpp>
#include <steward/shm/ring.hpp>
#include <steward/shm/segment.hpp>

namespace steward::detail::shm {

// Owns the mapping. Indexes are the caller's to check; what it reads by itself from the memory is
// checked here. Thread safety: as its words, which are atomic; a payload belongs to its holder.
class QueueMemory {
 public:
  using Atomic = std::atomic<Word>;

  // Throws NoMemory; BadCall for a shape that no ring can have.
  static QueueMemory create(const QueueShape& shape);
  // What create() made, in any process. Throws NoMemory; Damaged if it is something else, or of
  // another version.
  static QueueMemory open(UniqueFd fd);

  const QueueLayout& layout() const { return layout_; }
  const Segment& segment() const { return segment_; }

  // ---- For Ring ----

  Word maxsize() const { return layout_.shape.maxsize; }
  unsigned segments() const { return layout_.segments; }
  unsigned size_classes() const { return layout_.classes; }
  std::uint32_t blocks() const { return layout_.blocks; }

  Word cells(unsigned ring) const { return Word{1} << cells_log2_[ring]; }
  unsigned cells_log2(unsigned ring) const { return cells_log2_[ring]; }
  Atomic& cell(unsigned ring, Word index) const { return rings_[ring][index]; }
  Atomic& state(std::uint32_t block) const { return header(block).state; }
  Atomic& pos(std::uint32_t block) const { return header(block).pos; }
  Atomic& lease_end(std::uint32_t block) const { return header(block).lease_end; }
  Atomic& hint(Hint hint) const { return hot_->hints[static_cast<unsigned>(hint)].word; }
  Atomic& next_expiry() const { return hot_->next_expiry.word; }

  // Tells the processor that the block named by this cell will be written soon. Does nothing if the
  // cell is not of this kind yet: then another process still uses it.
  void prefetch(unsigned ring, Word index, Kind kind) const {
    const Cell c = Cell::of(cell(ring, index).load(std::memory_order_relaxed));
    const std::uint32_t block = c.block();
    if (c.kind() != kind || block >= layout_.size_classes[0].count) return;
    const std::byte* bytes = base_ + layout_.size_classes[0].headers +
                             block * layout_.size_classes[0].header_stride;
    prefetch_to_write(&cell(ring, (index + 8) & (cells(ring) - 1)));
    prefetch_to_write(bytes);
    prefetch_to_write(bytes + 64);
  }

  BlockRange block_range(unsigned size_class) const;
  unsigned ready_segments() const;
  Word ready_cells(unsigned ring) const;
  // Larger blocks than this are searched from the first.
  bool reuses_first(unsigned size_class) const {
    return layout_.size_classes[size_class].capacity > 4096;
  }
  // Give memory (pages) to all blocks, parts or cells up to and including the given one. Throw
  // NoMemory.
  void make_blocks(unsigned size_class, std::uint32_t count);
  void make_segment(unsigned segment);
  void make_redelivery(Word cells);

  bool may_sleep(Event which) const {
    return (event(which).load(std::memory_order_seq_cst) & 1U) != 0;
  }
  FutexWord& event(Event event) const { return hot_->events[static_cast<unsigned>(event)].word; }
  void wake(Event which, int n) const { shm::wake(event(which), n); }
  void wake_all() const;

  // ---- Blocks ----

  // The class of the smallest blocks that hold this many bytes, so aligned; at least 64 bytes of
  // alignment are possible. classes() if none does.
  unsigned size_class_for(std::uint64_t bytes, std::size_t alignment = 1) const {
    unsigned k = alignment > sizeof(BlockHeader) ? 1 : 0;
    while (k < layout_.classes && bytes > layout_.size_classes[k].capacity) ++k;
    return k;
  }
  // The payload of a block that the caller has claimed, for so many bytes. Throws NoMemory.
  std::span<std::byte> writable(std::uint32_t block, std::uint64_t bytes) {
    const SizeClass& k = class_of(block);
    if (&k != layout_.size_classes.data()) make_payload_real(k, block, bytes);
    return {bytes_of(k, block), bytes};
  }
  // What its holder wrote. Throws Damaged if the length is not possible.
  std::span<const std::byte> payload(std::uint32_t block) const {
    const SizeClass& k = class_of(block);
    // Once: what is checked is what is used, whoever writes there meanwhile.
    const std::uint64_t length =
        std::atomic_ref(header(k, block).length).load(std::memory_order_relaxed);
    if (length > k.capacity) throw Damaged("the queue's shared memory has an impossible length");
    return {bytes_of(k, block), length};
  }
  // False: the block has something else than an item of this format and length. Somebody may write
  // there meanwhile: the caller looks at the block's state again.
  bool peek(std::uint32_t block, std::uint32_t format, std::span<std::byte> out) const;
  std::uint32_t format(std::uint32_t block) const { return header(block).format; }
  void describe(std::uint32_t block, std::uint64_t bytes, std::uint32_t format) {
    BlockHeader& h = header(block);
    h.length = static_cast<std::uint32_t>(bytes);
    h.format = format;
  }
  // Before the caller frees it: returns the memory of a large block unless it is one of the first.
  void trim(std::uint32_t block) {
    if (block >= layout_.size_classes[0].count) trim_large(block);
  }

  // ---- Participants ----

  Owner& owner(unsigned number) const { return owners_[number]; }
  Atomic& owners_end() const { return hot_->owners_end.word; }
  void make_owner(unsigned number);
  Atomic& ended() const { return hot_->ended.word; }

 private:
  QueueMemory(Segment segment, const QueueShape& shape);

  BlockHeader& header(const SizeClass& k, std::uint32_t block) const {
    return *reinterpret_cast<BlockHeader*>(base_ + k.headers +
                                           (block - k.first) * k.header_stride);
  }
  BlockHeader& header(std::uint32_t block) const { return header(class_of(block), block); }
  const SizeClass& class_of(std::uint32_t block) const {
    const SizeClass* k = layout_.size_classes.data();
    while (block - k->first >= k->count) ++k;
    return *k;
  }
  std::byte* bytes_of(const SizeClass& k, std::uint32_t block) const {
    return base_ + k.payloads + (block - k.first) * k.payload_stride;
  }
  // Only larger classes have it.
  std::uint64_t& real_bytes(const SizeClass& k, std::uint32_t block) const {
    return *reinterpret_cast<std::uint64_t*>(base_ + k.headers +
                                             (block - k.first) * k.header_stride +
                                             kRealBytesOffset);
  }
  void make_payload_real(const SizeClass& k, std::uint32_t block, std::uint64_t bytes);
  void trim_large(std::uint32_t block);
  void make_first_parts();
  void start_counters();

  Segment segment_;
  QueueLayout layout_;
  std::byte* base_ = nullptr;
  HotWords* hot_ = nullptr;
  Owner* owners_ = nullptr;
  std::array<Atomic*, kRedelivery + 1> rings_{};
  std::array<std::uint8_t, kRedelivery + 1> cells_log2_{};
};

}  // namespace steward::detail::shm
