#include <steward/shm/queue_memory.hpp>

#include <algorithm>
#include <bit>
#include <cstring>

namespace steward::detail::shm {
namespace {

constexpr std::uint32_t kFirstBlocks = 32;
constexpr std::uint32_t kBlocksAtOnce = 4096;
constexpr std::uint64_t kLargeBytes = 64U << 10U;
// Of a large class so many blocks keep their memory while they are free: what a queue of usual
// length goes round in, as a page that comes back costs more than to copy what is put there.
constexpr std::uint32_t kept_blocks(std::uint64_t capacity) {
  return capacity <= (1U << 20U) ? 64 : 16;
}

// Others may have made more meanwhile.
void raise(std::atomic<Word>& word, Word to) {
  Word seen = word.load(std::memory_order_relaxed);
  while (seen < to && !word.compare_exchange_weak(seen, to, std::memory_order_release,
                                                  std::memory_order_relaxed)) {
  }
}

}  // namespace

QueueMemory QueueMemory::create(const QueueShape& shape) {
  const QueueLayout layout = QueueLayout::of(shape);
  QueueMemory memory(Segment::create("steward-queue", layout.size), shape);
  memory.make_first_parts();
  Descriptor descriptor;
  descriptor.shape = shape;
  std::memcpy(memory.base_, &descriptor, sizeof descriptor);
  memory.start_counters();
  return memory;
}

QueueMemory QueueMemory::open(UniqueFd fd) {
  Segment segment = Segment::open(std::move(fd));
  if (segment.size() < QueueLayout::kOwners) throw Damaged("this is no queue's shared memory");
  Descriptor descriptor;
  std::memcpy(&descriptor, segment.data(), sizeof descriptor);
  if (descriptor.magic != Descriptor::kMagic) throw Damaged("this is no queue's shared memory");
  if (descriptor.version != Descriptor::kVersion) {
    throw Damaged("the queue's shared memory is of another version of Steward");
  }
  if (segment.size() < QueueLayout::of(descriptor.shape).size) {
    throw Damaged("the queue's shared memory is too short");
  }
  return {std::move(segment), descriptor.shape};
}

QueueMemory::QueueMemory(Segment segment, const QueueShape& shape)
    : segment_(std::move(segment)), layout_(QueueLayout::of(shape)), base_(segment_.data()) {
  hot_ = reinterpret_cast<HotWords*>(base_ + QueueLayout::kHotWords);
  owners_ = reinterpret_cast<Owner*>(base_ + QueueLayout::kOwners);
  for (unsigned s = 0; s < layout_.segments; ++s) {
    rings_[s] = reinterpret_cast<Atomic*>(base_ + layout_.segment_offset[s]);
    cells_log2_[s] = static_cast<std::uint8_t>(std::countr_zero(layout_.segment_cells[s]));
  }
  rings_[kRedelivery] = reinterpret_cast<Atomic*>(base_ + layout_.redelivery_offset);
  cells_log2_[kRedelivery] =
      static_cast<std::uint8_t>(std::countr_zero(layout_.redelivery_cells));
}

void QueueMemory::make_first_parts() {
  segment_.make_real(0, QueueLayout::kOwners);
  make_owner(1);
  make_segment(0);
  make_redelivery(QueueLayout::kPage / sizeof(Word));
  make_blocks(0, kFirstBlocks);
}

// Zero is where they start, unless a test wants them to wrap.
void QueueMemory::start_counters() {
  const QueueShape& shape = layout_.shape;
  if (shape.first_lap != 0) {
    const Word empty = Cell{shape.first_lap, Kind::empty, 0, 0}.word();
    for (Word i = 0; i < cells(0); ++i) cell(0, i).store(empty, std::memory_order_relaxed);
    const Word place = Place{0, shape.first_lap * cells(0)}.word();
    hint(Hint::tail).store(place, std::memory_order_release);
    hint(Hint::head).store(place, std::memory_order_release);
  }
  if (shape.first_generation != 0) {
    const Word free = State{shape.first_generation, 0, Holder::free, 0}.word();
    const BlockRange range = block_range(0);
    for (std::uint32_t b = 0; b < range.ready; ++b) state(b).store(free, std::memory_order_release);
  }
}

BlockRange QueueMemory::block_range(unsigned size_class) const {
  const SizeClass& k = layout_.size_classes[size_class];
  const Word ready = hot_->ready_blocks[size_class].word.load(std::memory_order_acquire);
  return {k.first, static_cast<std::uint32_t>(std::min<Word>(ready, k.count)), k.count};
}

unsigned QueueMemory::ready_segments() const {
  const Word ready = hot_->ready_segments.word.load(std::memory_order_acquire);
  return static_cast<unsigned>(std::min<Word>(ready, layout_.segments));
}

Word QueueMemory::ready_cells(unsigned ring) const {
  if (ring != kRedelivery) return cells(ring);
  return std::min(hot_->ready_redelivery.word.load(std::memory_order_acquire), cells(ring));
}

void QueueMemory::make_blocks(unsigned size_class, std::uint32_t count) {
  const SizeClass& k = layout_.size_classes[size_class];
  const BlockRange range = block_range(size_class);
  if (range.ready >= count) return;
  const std::uint32_t more = std::clamp(range.ready, kFirstBlocks, kBlocksAtOnce);
  const std::uint32_t ready = std::min(std::max(count, range.ready + more), k.count);
  segment_.make_real(k.headers + range.ready * k.header_stride,
                     (ready - range.ready) * k.header_stride);
  raise(hot_->ready_blocks[size_class].word, ready);
}

void QueueMemory::make_segment(unsigned segment) {
  if (ready_segments() > segment) return;
  segment_.make_real(layout_.segment_offset[segment], cells(segment) * sizeof(Word));
  raise(hot_->ready_segments.word, segment + 1);
}

void QueueMemory::make_redelivery(Word cells_wanted) {
  constexpr Word kAtOnce = QueueLayout::kPage / sizeof(Word);
  const Word all = cells(kRedelivery);
  const Word ready = ready_cells(kRedelivery);
  if (ready >= std::min(cells_wanted, all)) return;
  const Word to = std::min((cells_wanted + kAtOnce - 1) / kAtOnce * kAtOnce, all);
  segment_.make_real(layout_.redelivery_offset + ready * sizeof(Word), (to - ready) * sizeof(Word));
  raise(hot_->ready_redelivery.word, to);
}

void QueueMemory::make_owner(unsigned number) {
  segment_.make_real(QueueLayout::kOwners + number * sizeof(Owner), sizeof(Owner));
}

void QueueMemory::wake_all() const {
  for (auto& event : hot_->events) shm::wake_all(event.word);
}

bool QueueMemory::peek(std::uint32_t block, std::uint32_t format, std::span<std::byte> out) const {
  const SizeClass& k = class_of(block);
  BlockHeader& h = header(k, block);
  if (std::atomic_ref(h.format).load(std::memory_order_relaxed) != format) return false;
  if (std::atomic_ref(h.length).load(std::memory_order_relaxed) != out.size()) return false;
  std::memcpy(out.data(), bytes_of(k, block), out.size());
  std::atomic_thread_fence(std::memory_order_acquire);  // before the state is looked at again
  return true;
}

void QueueMemory::make_payload_real(const SizeClass& k, std::uint32_t block, std::uint64_t bytes) {
  std::uint64_t& real = real_bytes(k, block);
  if (real >= bytes) return;
  segment_.make_real(k.payloads + (block - k.first) * k.payload_stride, bytes);
  real = bytes;
}

void QueueMemory::trim_large(std::uint32_t block) {
  const SizeClass& k = class_of(block);
  if (k.capacity < kLargeBytes || block - k.first < kept_blocks(k.capacity)) return;
  std::uint64_t& real = real_bytes(k, block);
  const std::uint64_t bytes = std::min(real, k.capacity);
  real = 0;  // first: a block that says too little costs a system call, too much a signal
  segment_.give_back(k.payloads + (block - k.first) * k.payload_stride, bytes);
}

}  // namespace steward::detail::shm
