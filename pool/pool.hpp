// Pool: worker processes that run functions of this program.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <ranges>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <steward/core/future.hpp>
#include <steward/pool/collectors.hpp>
#include <steward/pool/dispatcher.hpp>
#include <steward/pool/calls.hpp>
#include <steward/pool/results.hpp>
#include <steward/pool/progress_bar.hpp>
#include <steward/process/start_method.hpp>
#include <steward/pool/task.hpp>

namespace steward {

struct PoolOptions {
  std::size_t processes = 0;  // 0: cpu_count(), or fewer if a cgroup's quota is less. 1,024 at most
  Task initializer{};         // each worker begins with it; if it throws, the pool is broken
  std::size_t max_tasks_per_child = 0;  // after so many a worker makes room for a new one; 0: never
  int retries = 0;  // a task whose worker died is run again, so many times
  // Told of the calls of a map, starmap, imap or their kind: how many of how many have come to
  // their end; of the last one before the results are there. On the pool's thread. progress_bar()
  // makes one for terminals.
  std::function<void(std::size_t done, std::size_t total)> on_progress{};
  std::optional<StartMethod> start_method{};  // empty: that of set_start_method()
};

// Worker processes, which make calls of functions with arguments that travel there, and whose
// results travel back:
//
//   Pool pool(4);
//   std::vector<int> cubes = pool.map(cube, {1, 2, 3});
//   Future<int> sum = pool.apply_async(add, 2, 3);
//
// What can be run is what a Process can be told to run; what it returns must be able to travel,
// too. Proxies may be among arguments and results; use those among results within a minute.
// Arguments and results go through shared memory, 64 MiB at most for one call (less under a limit
// on address space or on the size of files); what is larger fails with Overloaded.
//
// A task is one call, or a chunk of several: its calls are made one after the other, and it is what
// a worker that dies takes along. The pool replaces that worker; the calls of its task fail with
// WorkerDied, unless `retries` says that they are made again. An exception that a call throws is
// rethrown here, as the same type if it is standard or one of ours, with its own text and code,
// else as a RemoteError. A std::system_error with an error category of the program's own has no
// code here: it is a std::runtime_error with its text. A pool whose workers cannot come up is
// broken: all its calls fail with the reason. It is so at once if the initializer threw or the fork
// server is gone; when nine workers in a row crashed or exited before they were ready, and none is
// ready; and when workers have been killed (by the OOM killer, say) or could not be started for 30
// s and none is ready. Until then others take their places, after a pause of 1 ms that doubles up
// to 1 s where they had no task. So no call waits for ever for a worker that does not come. Results
// for which this process has no memory fail with std::bad_alloc, their task alone.
//
// Who waits is interrupted by a std::stop_token at the results: `map_async(f, xs).get(stop)`, which
// leaves the future to be got, and `imap(f, xs).next(stop)`.
//
// Workers are daemons: they have no processes of their own, ignore interrupts from the terminal,
// and end with this process, however that ends.
//
// A resource: only moves. The destructor terminates, as at the end of Python's `with`: what has no
// result then fails with Closed. It may run in a callback of this pool (`then`, on_progress). In a
// process that did not create the pool (a child of a plain fork()) the destructor does nothing and
// every other function throws BadCall; so does whoever waits there for results that have not come.
//
// Thread safety: any thread may call any function, but for moving and destruction.
class Pool {
 public:
  // Starts the workers, at least one. Throws what kept them from coming up, and BadCall as Process
  // does.
  explicit Pool(PoolOptions options = {});
  explicit Pool(std::size_t processes);
  Pool(Pool&&) noexcept = default;
  Pool& operator=(Pool&& other) noexcept;
  ~Pool();

  // ---- One call ----

  // f(args...) in a worker. Throws what the call threw, WorkerDied, Closed.
  template <class F, class... Args>
  auto apply(F&& f, Args&&... args) {
    return start_one({"apply", Next::somebody_waits}, std::forward<F>(f),
                     std::forward<Args>(args)...).get();
  }
  // Likewise, without waiting: gives the future of the result.
  template <class F, class... Args>
  auto apply_async(F&& f, Args&&... args) {
    return start_one({"apply_async", Next::nobody_waits}, std::forward<F>(f),
                     std::forward<Args>(args)...);
  }

  // ---- A call for each element ----

  // f(x) for each x of any input range, in chunks: of `chunk_size` calls, or (0) about four for
  // each worker, at least a hundred if on_progress is set, and not much more than a megabyte; of
  // fewer where all would be too large for one task. The results in the order of the elements;
  // nothing if f returns nothing. If calls throw, all others are made all the same; then the
  // exception of the first in that order is thrown.
  template <class F, std::ranges::input_range Range>
  auto map(F&& f, Range&& range, std::size_t chunk_size = 0) {
    return start_map<F>({"map", Next::somebody_waits}, f, range, chunk_size).get();
  }
  template <class F>
  auto map(F&& f, std::initializer_list<detail::pool::OnlyParameter<F>> items,
           std::size_t chunk_size = 0) {
    return start_map<F>({"map", Next::somebody_waits}, f, items, chunk_size).get();
  }
  // Likewise, without waiting: gives the future of all results. The range is read at once.
  template <class F, std::ranges::input_range Range>
  auto map_async(F&& f, Range&& range, std::size_t chunk_size = 0) {
    return start_map<F>({"map_async", Next::nobody_waits}, f, range, chunk_size);
  }
  template <class F>
  auto map_async(F&& f, std::initializer_list<detail::pool::OnlyParameter<F>> items,
                 std::size_t chunk_size = 0) {
    return start_map<F>({"map_async", Next::nobody_waits}, f, items, chunk_size);
  }

  // f(a, b, ...) for each tuple or pair.
  template <class F, std::ranges::input_range Range>
  auto starmap(F&& f, Range&& range, std::size_t chunk_size = 0) {
    return start_starmap<F>({"starmap", Next::somebody_waits}, f, range, chunk_size).get();
  }
  template <class F>
  auto starmap(F&& f, std::initializer_list<detail::pool::AllParameters<F>> items,
               std::size_t chunk_size = 0) {
    return start_starmap<F>({"starmap", Next::somebody_waits}, f, items, chunk_size).get();
  }
  // Likewise, without waiting: gives the future of all results. The range is read at once.
  template <class F, std::ranges::input_range Range>
  auto starmap_async(F&& f, Range&& range, std::size_t chunk_size = 0) {
    return start_starmap<F>({"starmap_async", Next::nobody_waits}, f, range, chunk_size);
  }
  template <class F>
  auto starmap_async(F&& f, std::initializer_list<detail::pool::AllParameters<F>> items,
                     std::size_t chunk_size = 0) {
    return start_starmap<F>({"starmap_async", Next::nobody_waits}, f, items, chunk_size);
  }

  // As map, but the results come one by one, to be walked over while others are still computed: in
  // the order of the elements, or as they come. A call that threw throws where its result would
  // have been; next() goes on behind it. The range is read at once. Leaving the loop cancels the
  // rest. Of results that nobody takes there are 1,024 at most, or about 64 MiB, and what is under
  // way: further calls are made once half of them have been taken, or in join(), which waits for
  // all. Other calls of the pool go on meanwhile.
  template <class F, std::ranges::input_range Range>
  auto imap(F&& f, Range&& range, std::size_t chunk_size = 1) {
    return start_stream<F>("imap", detail::pool::StreamOrder::as_called, f, range, chunk_size);
  }
  template <class F>
  auto imap(F&& f, std::initializer_list<detail::pool::OnlyParameter<F>> items,
            std::size_t chunk_size = 1) {
    return start_stream<F>("imap", detail::pool::StreamOrder::as_called, f, items, chunk_size);
  }
  template <class F, std::ranges::input_range Range>
  auto imap_unordered(F&& f, Range&& range, std::size_t chunk_size = 1) {
    return start_stream<F>("imap_unordered", detail::pool::StreamOrder::as_they_come, f, range,
                           chunk_size);
  }
  template <class F>
  auto imap_unordered(F&& f, std::initializer_list<detail::pool::OnlyParameter<F>> items,
                      std::size_t chunk_size = 1) {
    return start_stream<F>("imap_unordered", detail::pool::StreamOrder::as_they_come, f, items,
                           chunk_size);
  }

  // ---- The workers ----

  std::size_t processes() const;
  std::vector<pid_t> pids() const;  // of those that are there just now

  // No more calls: they throw Closed. The workers leave when all that there are have been made.
  void close();
  // Waits until the workers have left. BadCall before close() or terminate().
  void join();
  // Ends the workers, whatever they are at (SIGTERM, after two seconds SIGKILL). What has no result
  // fails with Closed.
  void terminate();

 private:
  using Next = detail::pool::Dispatcher::Next;
  using JobPtr = detail::pool::Dispatcher::JobPtr;
  struct Method {
    const char* name;
    Next next;
  };

  template <class F, class... Args>
  auto start_one(Method method, F&& f, Args&&... args) {
    using Callable = std::decay_t<F>;
    using Parameters = typename detail::process::ParametersOf<Callable, Args...>::type;
    if constexpr (detail::pool::check_calls<Callable>(
                      Parameters{}, detail::process::Parameters<Args&&...>{})) {
      return one(method, Parameters{}, Callable(std::forward<F>(f)), std::forward<Args>(args)...);
    } else {
      return detail::process::Refused{};
    }
  }

  template <class... P, class F, class... Args>
  auto one(Method method, detail::process::Parameters<P...> parameters, F f, Args&&... args) {
    using R = detail::pool::CallResult<F, P...>;
    detail::pool::PackedCalls<P...> calls;
    calls.add(std::forward<Args>(args)...);
    auto promised = promise<detail::core::FutureValue<R>, detail::pool::One<R>>(
        method.name, f, parameters, detail::pool::Job::Tells::nothing);
    send(promised.job, std::move(calls), 0);
    dispatcher_->complete(promised.job, 1, method.next);
    return Future<R>(std::move(promised.state));
  }

  template <class F, class Range>
  auto start_map(Method method, const std::decay_t<F>& f, Range&& range, std::size_t chunk_size) {
    using Callable = std::decay_t<F>;
    using Element = detail::process::Parameters<std::ranges::range_reference_t<Range>>;
    using Parameters = detail::pool::MapParameters<Callable, std::ranges::range_value_t<Range>>;
    if constexpr (detail::pool::check_each<Callable>(Parameters{}, Element{})) {
      return all(method, Parameters{}, f, range, chunk_size, detail::pool::AsOne{});
    } else {
      return detail::process::Refused{};
    }
  }
  template <class F, class Range>
  auto start_starmap(Method method, const std::decay_t<F>& f, Range&& range,
                     std::size_t chunk_size) {
    using Callable = std::decay_t<F>;
    using Element = std::ranges::range_value_t<Range>;
    using Parameters = typename detail::pool::StarParameters<Callable, Element>::type;
    if constexpr (detail::pool::check_spread<Callable>(Parameters{})) {
      return all(method, Parameters{}, f, range, chunk_size, detail::pool::AsTuple{});
    } else {
      return detail::process::Refused{};
    }
  }

  template <class... P, class F, class Range, class Spread>
  auto all(Method method, detail::process::Parameters<P...> parameters, const F& f, Range& range,
           std::size_t chunk_size, Spread spread) {
    using R = detail::pool::CallResult<F, P...>;
    using Collector = detail::pool::All<R>;
    auto promised = promise<typename Collector::Future, Collector>(
        method.name, f, parameters, detail::pool::Job::Tells::progress);
    send_chunks(promised.job, parameters, range, chunk_size, spread, method.next);
    return Future<typename Collector::Results>(std::move(promised.state));
  }

  template <class F, class Range>
  auto start_stream(const char* method, detail::pool::StreamOrder order, const std::decay_t<F>& f,
                    Range&& range, std::size_t chunk_size) {
    using Callable = std::decay_t<F>;
    using Element = detail::process::Parameters<std::ranges::range_reference_t<Range>>;
    using Parameters = detail::pool::MapParameters<Callable, std::ranges::range_value_t<Range>>;
    if constexpr (!detail::pool::check_each<Callable>(Parameters{}, Element{})) {
      return detail::process::Refused{};
    } else if constexpr (!detail::pool::check_walk<Callable>(Parameters{})) {
      return detail::process::Refused{};
    } else {
      return stream(method, order, Parameters{}, f, range, chunk_size);
    }
  }
  template <class... P, class F, class Range>
  auto stream(const char* method, detail::pool::StreamOrder order,
              detail::process::Parameters<P...> parameters, const F& f, Range& range,
              std::size_t chunk_size) {
    using R = detail::pool::CallResult<F, P...>;
    auto results = std::make_shared<detail::pool::Stream<R>>(order);
    const JobPtr job = dispatcher(method)->open(
        method, call_of(f, parameters), std::make_unique<detail::pool::Streaming<R>>(results),
        detail::pool::Job::Tells::progress);
    send_chunks(job, parameters, range, std::max<std::size_t>(chunk_size, 1),
                detail::pool::AsOne{}, Next::nobody_waits);
    return detail::pool::PoolResults<R>(dispatcher_, job, std::move(results));
  }

  template <class State>
  struct Promised {
    JobPtr job;
    std::shared_ptr<State> state;
  };

  template <class State, class Collector, class F, class... P>
  Promised<State> promise(const char* method, const F& f,
                          detail::process::Parameters<P...> parameters,
                          detail::pool::Job::Tells tells) {
    auto executor = std::make_shared<detail::pool::JobExecutor>(dispatcher(method));
    auto state = std::make_shared<State>(executor);
    JobPtr job = dispatcher_->open(method, call_of(f, parameters),
                                   std::make_unique<Collector>(state), tells);
    executor->stands_for(job);
    return {std::move(job), std::move(state)};
  }

  template <class F, class... P>
  std::string call_of(const F& f, detail::process::Parameters<P...>) {
    std::string call =
        address_of(reinterpret_cast<const void*>(&detail::pool::run_calls<F, P...>));
    detail::process::pack_callable(call, f);
    return call;
  }

  // Sends the calls as one task. Returns how many there were.
  template <class... P>
  std::size_t send(const JobPtr& job, detail::pool::PackedCalls<P...> calls, std::size_t first) {
    dispatcher_->add(job, {first, calls.count(), calls.take_bytes(), calls.take_kept()});
    return calls.count();
  }

  template <class... P, class Range, class Spread>
  void send_chunks(const JobPtr& job, detail::process::Parameters<P...>, Range& range,
                   std::size_t chunk_size, Spread spread, Next next) {
    if constexpr (!std::ranges::sized_range<Range> && !std::ranges::forward_range<Range>) {
      std::vector<std::ranges::range_value_t<Range>> items;
      for (auto&& element : range) items.push_back(std::forward<decltype(element)>(element));
      send_chunks(job, detail::process::Parameters<P...>{}, items, chunk_size, spread, next);
    } else {
      const auto count = static_cast<std::size_t>(std::ranges::distance(range));
      const std::size_t bytes_max = task_bytes_max(*job, chunk_size);
      if (chunk_size == 0) chunk_size = automatic_chunk(count);
      std::size_t sent = 0;
      try {
        detail::pool::PackedCalls<P...> calls;
        for (auto&& element : range) {
          spread(calls, std::forward<decltype(element)>(element));
          if (calls.count() > 1 && calls.bytes() > bytes_max) {
            auto last = calls.take_last();
            sent += send(job, std::exchange(calls, std::move(last)), sent);
          }
          if (calls.count() < chunk_size && calls.bytes() < bytes_max) continue;
          sent += send(job, std::exchange(calls, {}), sent);
        }
        if (calls.count() > 0) sent += send(job, std::move(calls), sent);
      } catch (...) {
        detail::pool::give_up(*dispatcher_, *job);
        throw;
      }
      dispatcher_->complete(job, sent, next);
    }
  }

  // For this method. Throws BadCall in its name.
  const std::shared_ptr<detail::pool::Dispatcher>& dispatcher(const char* method) const;
  std::size_t automatic_chunk(std::size_t count) const;
  // How many bytes the arguments of one task may have; fewer if the pool chooses the chunks
  // (chunk_size 0).
  std::size_t task_bytes_max(const detail::pool::Job& job, std::size_t chunk_size) const;
  // A function's address as it travels: looked up once.
  const std::string& address_of(const void* function);
  void finish() noexcept;

  struct Addresses;

  std::shared_ptr<detail::pool::Dispatcher> dispatcher_;
  std::shared_ptr<Addresses> addresses_;
};

}  // namespace steward
