// The reading side of a queue in shared memory, which the manager has, too: whatever others write
// there, an operation ends, reads and writes inside of the mapping, and throws only what it says.
//
// An input is a script of steps of twelve bytes: an operation, where, and a word to be written.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <unistd.h>

#include <steward/core/errors.hpp>
#include <steward/shm/shared_queue.hpp>
#include <steward/tests/fuzz/require.hpp>

namespace steward::fuzz {
namespace {

using detail::shm::SharedQueue;

constexpr std::size_t kStep = 12;
constexpr std::size_t kStepsMax = 300;

struct Step {
  std::uint8_t what = 0;
  std::uint8_t where = 0;
  std::uint16_t index = 0;
  std::uint64_t word = 0;
};

class Script {
 public:
  explicit Script(bool bounded)
      : memory_(detail::shm::QueueMemory::create(
            {.maxsize = bounded ? 4U : 0U, .message_bytes = 2000})),
        queue_(SharedQueue::open(detail::shm::UniqueFd(::dup(memory_.segment().fd())))) {}

  void run(const Step& step) {
    try {
      step.what % 2 == 0 ? write(step) : use(step);
    } catch (const detail::core::Failure&) {  // Damaged, NoMemory, Overloaded, BadCall
    }
  }

 private:
  // Any word that others may change: all begin on eight bytes.
  void write(const Step& step) {
    const auto block = step.index % 40U;
    switch (step.where % 6) {
      case 0: memory_.cell(0, step.index % 8).store(step.word); break;
      case 1: memory_.cell(detail::shm::kRedelivery, step.index % 8).store(step.word); break;
      case 2:
        if (is_real(block)) (&memory_.state(block))[step.index / 40U % 4].store(step.word);
        break;
      case 3:
        put_at(detail::shm::QueueLayout::kHotWords + step.index % 38U * 64U, step.word);
        break;
      case 4: put_at(detail::shm::QueueLayout::kOwners + step.index % 16U * 8U, step.word); break;
      default: put_at(step.index % 6U * 8U, step.word); break;
    }
  }
  bool is_real(std::uint32_t block) const {
    const auto first = memory_.block_range(0);
    // What was made at first, whatever the memory says now.
    return block < std::min(first.count, 32U);
  }
  void put_at(std::size_t offset, std::uint64_t word) {
    std::memcpy(memory_.segment().data() + offset, &word, sizeof word);
  }

  void use(const Step& step) {
    constexpr auto now = SharedQueue::kNow;
    const auto read = [&](const detail::shm::Item& item) {
      for (const std::byte b : item.bytes) sum_ = sum_ + static_cast<unsigned>(b);
      return step.word % 3 != 0;
    };
    const std::vector<std::byte> item(step.word % 2048);
    switch (step.where % 12) {
      case 0:
      case 1: queue_->put(item, step.index, now); break;
      case 2: {
        const std::vector<std::span<const std::byte>> items(3, item);
        std::size_t done = 0;
        queue_->put_many(items, step.index, now, done);
        break;
      }
      case 3: queue_->get(read, now, held_); break;
      case 4: {
        std::vector<detail::shm::Held> kept;
        queue_->get_many(5, read, now, kept);
        break;
      }
      case 5:
        queue_->reserve([] { return detail::core::Deadline(detail::core::Time::min()); }, read, now,
                        held_);
        break;
      case 6: step.index % 2 == 0 ? queue_->ack(held_) : queue_->nack(held_); break;
      case 7: queue_->touch(held_, detail::core::Time::min()); break;
      case 8: {
        SharedQueue::Loan loan;
        if (queue_->loan(item.size(), 8, loan) != SharedQueue::Outcome::done) break;
        std::ranges::fill(loan.bytes, std::byte{1});
        if (queue_->commit(loan, 0, now) != SharedQueue::Outcome::done) queue_->give_back(loan);
        break;
      }
      case 9:
        queue_->size();
        queue_->full();
        queue_->task_done();
        queue_->join(now);
        break;
      case 10: queue_->recover_dead(); break;
      default:
        if (step.index % 4 == 0) queue_->close();
        if (step.index % 4 == 1) queue_->put_back(item, 0);
        break;
    }
  }

  detail::shm::QueueMemory memory_;
  std::unique_ptr<SharedQueue> queue_;
  detail::shm::Held held_;
  volatile unsigned sum_ = 0;
};

void run(std::string_view bytes) {
  if (bytes.empty()) return;
  Script script(bytes[0] % 2 == 0);
  bytes.remove_prefix(1);
  for (std::size_t i = 0; i < kStepsMax && bytes.size() >= kStep; ++i) {
    Step step;
    step.what = static_cast<std::uint8_t>(bytes[0]);
    step.where = static_cast<std::uint8_t>(bytes[1]);
    std::memcpy(&step.index, bytes.data() + 2, sizeof step.index);
    std::memcpy(&step.word, bytes.data() + 4, sizeof step.word);
    script.run(step);
    bytes.remove_prefix(kStep);
  }
}

}  // namespace
}  // namespace steward::fuzz

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  steward::fuzz::run(steward::fuzz::view_of(data, size));
  return 0;
}
