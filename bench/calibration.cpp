#include <steward/bench/calibration.hpp>

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>

#include <steward/bench/machine.hpp>

namespace steward::bench {
namespace {

using Word = std::atomic<std::uint32_t>;

// The page lives on: each side counts on from the value of the last run.
void await_spinning(const Word& word, std::uint32_t value) {
  while (word.load(std::memory_order_acquire) != value) {
  }
}

void futex(Word& word, int operation, std::uint32_t value) {
  ::syscall(SYS_futex, &word, operation, value, nullptr, nullptr, 0);
}

void say_waking(Word& word, std::uint32_t value) {
  word.store(value);
  futex(word, FUTEX_WAKE, 1);
}

void await_sleeping(Word& word, std::uint32_t value) {
  for (std::uint32_t seen; (seen = word.load()) != value;) futex(word, FUTEX_WAIT, seen);
}

void near_side(std::string socket, std::string page_name) {
  stay_on_cpu(0);
  const SharedPage page(std::move(page_name));
  Words& words = page.words();
  Answers answers(socket);
  answers.on("line", [&](std::size_t count) {
    return timed(count, [&, value = words.near.load()]() mutable {
      words.near.store(++value, std::memory_order_release);
      await_spinning(words.far, value);
    });
  });
  answers.on("futex", [&](std::size_t count) {
    return timed(count, [&, value = words.near.load()]() mutable {
      say_waking(words.near, ++value);
      await_sleeping(words.far, value);
    });
  });
  std::string from(Calibration::kCopyBytes, 'f');
  std::string to(Calibration::kCopyBytes, 't');
  answers.on("copy", [&](std::size_t count) {
    return timed(count, [&] {
      std::memcpy(to.data(), from.data(), from.size());
      // Or the compiler would see that nobody looks.
      asm volatile("" : : "r"(to.data()) : "memory");
    });
  });
  answers.serve();
}

void far_side(std::string socket, std::string page_name) {
  stay_on_cpu(1);
  const SharedPage page(std::move(page_name));
  Words& words = page.words();
  Answers answers(socket);
  answers.on("line", [&](std::size_t count) {
    return timed(count, [&, value = words.far.load()]() mutable {
      await_spinning(words.near, ++value);
      words.far.store(value, std::memory_order_release);
    });
  });
  answers.on("futex", [&](std::size_t count) {
    return timed(count, [&, value = words.far.load()]() mutable {
      await_sleeping(words.near, ++value);
      say_waking(words.far, value);
    });
  });
  answers.serve();
}

}  // namespace

Calibration::Calibration(const Scratch& scratch)
    : page_("/steward-bench-" + std::to_string(::getpid()), SharedPage::Name::remove),
      near_(scratch, "near", near_side, page_.name()),
      far_(scratch, "far", far_side, page_.name()) {
  page_.remove_name();  // so that nothing stays if this program is killed
}

Run Calibration::together(const std::string& what, std::size_t count) {
  far_.begin(what, count);
  const Run run = near_.run(what, count);
  far_.finish();
  return run;
}

}  // namespace steward::bench
