// One producer and one consumer, each on a CPU of its own: messages a second of every size, through
// Steward and every other queue.
#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <steward/bench/groups.hpp>
#include <steward/bench/machine.hpp>
#include <steward/bench/others.hpp>
#include <steward/bench/queue_streams.hpp>

namespace steward::bench {
namespace {

using Mark = Comparison::Mark;

constexpr std::size_t kMarked = 64;  // bytes
constexpr double kTimesBoost = 3;
constexpr double kTimesBoostInBatches = 8;
constexpr double kTimesPythonQueue = 80;
constexpr double kTimesPythonManager = 1000;

constexpr const char* kBatches = "batch_";
constexpr const char* kInPlace = "in_place_";

std::string text_of(std::size_t bytes) {
  if (bytes >= 1U << 20U) return std::to_string(bytes >> 20U) + " MiB";
  if (bytes >= 1U << 10U) return std::to_string(bytes >> 10U) + " KiB";
  return std::to_string(bytes) + " B";
}

constexpr bool has_batches(std::size_t bytes) { return bytes <= 64; }
constexpr bool has_in_place(std::size_t bytes) { return bytes >= 4096; }

// ---- In the processes ----

template <class E>
void answer(Answers& answers, const std::string& what, std::shared_ptr<E> end, bool puts) {
  puts ? answer_puts(answers, what, std::move(end)) : answer_gets(answers, what, std::move(end));
}

template <class Channel>
void use_channels(std::string socket, std::string where, bool puts) {
  stay_on_cpu(puts ? 0 : 1);
  Answers answers(socket);
  for_each_size(typename Channel::CarriedSizes(), [&](auto size) {
    const std::string name = std::to_string(size);
    const Side side = puts ? Side::put : Side::get;
    answer(answers, name, std::make_shared<ChannelEnd<Channel, size>>(where, name, side), puts);
  });
  answers.serve();
}

void use_steward(std::string socket, std::string address, bool puts) {
  stay_on_cpu(puts ? 0 : 1);
  const Manager manager = Manager::connect(address);
  const std::string transport = bench_queue<kMarked>(manager, "asked").transport();
  Answers answers(socket);
  for_each_size(Sizes(), [&](auto size) {
    const std::string name = std::to_string(size);
    const auto add = [&](const std::string& what, auto end) { answer(answers, what, end, puts); };
    add(name, std::make_shared<QueueEnd<size>>(manager, name));
    if constexpr (has_batches(size)) {
      add(kBatches + name, std::make_shared<BatchEnd<size>>(manager, kBatches + name));
    }
    if constexpr (has_in_place(size)) {
      add(kInPlace + name, std::make_shared<InPlaceEnd<size>>(manager, kInPlace + name));
    }
  });
  answers.serve(transport);
}

// ---- In the program ----

// What Steward is compared with, or Steward itself.
struct Contender {
  std::string name;
  std::string peer;
  std::string over;
  std::vector<std::size_t> sizes;
  std::function<Run(const std::string& what, std::size_t count)> run;
  double mark = 0;                    // so many times as fast shall Steward be, at kMarked
  std::map<std::size_t, Row*> rows{};  // by size
};

template <std::size_t... N>
std::vector<std::size_t> list_of(std::index_sequence<N...>) {
  return {N...};
}

template <class F>
std::shared_ptr<Stream> pair(const Scratch& scratch, const std::string& name, F main,
                             const std::string& where) {
  auto stream = std::make_shared<Stream>();
  for (const Side side : {Side::get, Side::put}) {
    stream->add(side, std::make_unique<Peer>(scratch, name, main, where, side == Side::put));
  }
  return stream;
}

template <class Channel>
Contender channels(Bench& bench, const std::string& name, const std::string& where) {
  const auto sizes = list_of(typename Channel::CarriedSizes());
  std::vector<std::string> names;
  for (const std::size_t size : sizes) names.push_back(std::to_string(size));
  const Names<Channel> guard(where, names);
  auto stream = pair(bench.scratch, Channel::kPeer, use_channels<Channel>, where);
  const auto run = [stream](const std::string& what, std::size_t count) {
    return stream->run(what, count);
  };
  return {name, Channel::kPeer, Channel::kOver, sizes, run};
}

Contender steward_queues(Bench& bench, const Manager& manager) {
  auto stream = pair(bench.scratch, "steward", use_steward, manager.address());
  const std::string transport = stream->consumers().front()->text();
  const auto run = [stream](const std::string& what, std::size_t count) {
    return stream->run(what, count);
  };
  return {"Steward", "steward", transport, list_of(Sizes()), run};
}

class Throughput {
 public:
  explicit Throughput(Bench& bench) : bench_(bench), ours_(steward_queues(bench, manager_)) {
    add_channels();
    add_redis();
    add_python();
  }

  void measure() {
    for (const std::size_t bytes : ours_.sizes) {
      const std::string name = std::to_string(bytes);
      ours_.rows[bytes] = &add_row(ours_, bytes, text_of(bytes), name);
      if (has_batches(bytes)) {
        batches_[bytes] = &add_row(ours_, bytes, text_of(bytes) + ", 16 a call", kBatches + name);
      }
      if (has_in_place(bytes)) {
        in_place_[bytes] = &add_row(ours_, bytes, text_of(bytes) + ", in place", kInPlace + name);
      }
      for (Contender& rival : rivals_) {
        if (std::count(rival.sizes.begin(), rival.sizes.end(), bytes) == 0) continue;
        rival.rows[bytes] = &add_row(rival, bytes, text_of(bytes), name);
      }
    }
    bench::measure(bench_, std::move(tasks_));
  }

  void compare() const {
    for (const Contender& rival : rivals_) {
      for (const auto& [bytes, row] : rival.rows) {
        const bool marked = bytes == kMarked && rival.mark > 0;
        compare(text_of(bytes) + ", times " + rival.name, *ours_.rows.at(bytes), *row,
                marked ? rival.mark : 0);
      }
    }
    const Contender& boost = rivals_.front();
    for (const auto& [bytes, row] : batches_) {
      compare(text_of(bytes) + ", 16 a call, times " + boost.name, *row, *boost.rows.at(bytes),
              bytes == kMarked ? kTimesBoostInBatches : 0);
    }
    for (const auto& [bytes, row] : in_place_) {
      compare(text_of(bytes) + ", in place, times " + boost.name, *row, *boost.rows.at(bytes), 0);
    }
  }

 private:
  Row& add_row(const Contender& contender, std::size_t bytes, const std::string& what,
               const std::string& operation) {
    Row& row = bench_.report.row({"queue, 1 producer 1 consumer", what, contender.peer,
                                  contender.over, Unit::messages_per_second, bytes});
    const auto run = [run = contender.run, operation](std::size_t count) {
      return run(operation, count);
    };
    tasks_.push_back({row, run});
    return row;
  }

  void add_channels() {
    const auto add = [&]<class Channel>(const char* name, std::type_identity<Channel>) {
      rivals_.push_back(channels<Channel>(bench_, name, place_of<Channel>(bench_.scratch)));
    };
    add("Boost message_queue", std::type_identity<BoostQueue>());
    rivals_.back().mark = kTimesBoost;
    add("SOCK_SEQPACKET", std::type_identity<PacketSocket>());
    add("ZeroMQ PUSH/PULL", std::type_identity<PushPull>());
    const ChannelSpec spec{place_of<PosixQueue>(bench_.scratch), "asked", kMarked};
    const std::size_t capacity = PosixQueue::capacity(spec);
    if (capacity == 0) {
      bench_.report.note("there are no POSIX message queues here: their row is missing");
      return;
    }
    if (capacity < spec.capacity()) {
      bench_.report.note("a POSIX message queue holds " + std::to_string(capacity) +
                         " messages here, others " + std::to_string(spec.capacity()));
    }
    add("a POSIX message queue", std::type_identity<PosixQueue>());
  }

  void add_redis() {
    if (!has_redis()) {
      bench_.report.note("there is no redis-server: the rows of Redis are missing");
      return;
    }
    redis_.emplace(bench_.scratch);
    rivals_.push_back(channels<RedisList>(bench_, "a Redis list", redis_->socket()));
  }

  void add_python() {
    python_ = python_queues(bench_.scratch);
    if (!python_) {
      bench_.report.note("there is no python3: the rows of CPython are missing");
      return;
    }
    const auto run = [this](const char* kind) {
      return [this, kind](const std::string& what, std::size_t count) {
        return python_->run(kind + what, count);
      };
    };
    rivals_.push_back({"multiprocessing.Queue", "cpython", "pipe",
                       {64, 1024, 65'536}, run("queue_"), kTimesPythonQueue});
    rivals_.push_back({"Manager().Queue", "cpython", "manager", {kMarked}, run("managed_"),
                       kTimesPythonManager});
  }

  void compare(const std::string& what, const Row& ours, const Row& theirs, double limit) const {
    bench_.report.compare({what, speed_ratio(ours, theirs),
                           limit > 0 ? Mark::at_least : Mark::none, limit});
  }

  Bench& bench_;
  Manager manager_;
  std::optional<Redis> redis_;
  std::unique_ptr<Peer> python_;
  Contender ours_;
  std::vector<Contender> rivals_;  // Boost's first
  std::vector<Task> tasks_;
  std::map<std::size_t, Row*> batches_;
  std::map<std::size_t, Row*> in_place_;
};

}  // namespace

void measure_queue(Bench& bench) {
  Throughput throughput(bench);
  throughput.measure();
  throughput.compare();
}

}  // namespace steward::bench
