#include <steward/pool/progress_bar.hpp>

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include <fmt/format.h>

namespace steward {
namespace detail::pool {
namespace {

using Clock = std::chrono::steady_clock;

// Faster than this nobody reads.
constexpr std::chrono::milliseconds kPause{50};
constexpr std::size_t kColumns = 80;

std::string duration_text(double seconds) {
  const auto whole = static_cast<long>(seconds + 0.5);
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{}:{:02} min", whole / 60, whole % 60);
  return fmt::format("{}:{:02} h", whole / 3600, whole / 60 % 60);
}

std::size_t columns_of(int fd) {
  winsize size{};
  return ::ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : kColumns;
}

class Bar {
 public:
  Bar(std::string label, int fd)
      : label_(std::move(label)), fd_(fd), shown_(::isatty(fd) == 1) {}

  void draw(std::size_t done, std::size_t total) {
    if (!shown_) return;
    const auto now = Clock::now();
    if (done < last_done_ || last_total_ != total) began_ = now;  // another job
    last_done_ = done;
    last_total_ = total;
    const bool all = done >= total;
    if (!all && now < next_) return;
    next_ = now + kPause;
    const std::chrono::duration<double> took = now - began_;
    std::string line = "\r" + progress_line(label_, done, total, took.count(), columns_of(fd_));
    line += all ? "\x1b[K\n" : "\x1b[K";
    [[maybe_unused]] const ssize_t written = ::write(fd_, line.data(), line.size());
  }

 private:
  const std::string label_;
  const int fd_;
  const bool shown_;
  std::size_t last_done_ = 0;
  std::size_t last_total_ = 0;
  Clock::time_point began_ = Clock::now();
  Clock::time_point next_{};
};

}  // namespace

std::string progress_line(const std::string& label, std::size_t done, std::size_t total,
                          double seconds, std::size_t columns) {
  done = std::min(done, total);
  const double part = total == 0 ? 1 : static_cast<double>(done) / static_cast<double>(total);
  std::string tail = fmt::format("] {:3} %  {}/{}", static_cast<int>(part * 100), done, total);
  if (done == total) {
    tail += fmt::format("  {}", duration_text(seconds));
  } else if (done > 0) {
    tail += fmt::format("  {} left", duration_text(seconds * (1 / part - 1)));
  }
  const std::string head = label.empty() ? "[" : label + " [";
  constexpr std::size_t kWidest = 40;
  const std::size_t taken = head.size() + tail.size() + 1;  // terminals wrap at the last column
  const std::size_t width = taken < columns ? std::min(columns - taken, kWidest) : 0;
  const auto filled = static_cast<std::size_t>(part * static_cast<double>(width));
  std::string line = head + std::string(filled, '#') + std::string(width - filled, ' ') + tail;
  if (line.size() >= columns && columns > 0) line.resize(columns - 1);
  return line;
}

}  // namespace detail::pool

std::function<void(std::size_t, std::size_t)> progress_bar(std::string label, int fd) {
  return [bar = std::make_shared<detail::pool::Bar>(std::move(label), fd)](
             std::size_t done, std::size_t total) { bar->draw(done, total); };
}

}  // namespace steward
