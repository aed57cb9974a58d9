// What a walk over results gives where there was no memory for some of them.
#include <cstddef>
#include <exception>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <variant>

#include <gtest/gtest.h>

#include <steward/core/future_state.hpp>
#include <steward/pool/collectors.hpp>
#include <steward/tests/shm/failing_new.hpp>

namespace steward::detail::pool {
namespace {

Stream<int>::Outcome result(int value) {
  return Stream<int>::Outcome(std::in_place_index<0>, value);
}
std::exception_ptr no_memory() { return std::make_exception_ptr(std::bad_alloc()); }

// "2", "error", "end"
std::string next(Stream<int>& stream) {
  if (!stream.ready()) return "not ready";
  const auto outcome = stream.next();
  if (!outcome) return "end";
  if (const int* value = std::get_if<0>(&*outcome)) return std::to_string(*value);
  return std::get<1>(*outcome) != nullptr ? "error" : "nothing";
}

TEST(PoolStream, GivesTheReasonInThePlacesOfResultsThatItLacks) {
  Stream<int> stream(StreamOrder::as_called);
  stream.expect(5);
  stream.add(0, result(10), 8);
  stream.lack(3, 2, no_memory());
  stream.add(2, result(12), 8);
  EXPECT_EQ(next(stream), "10");
  EXPECT_EQ(next(stream), "not ready") << "it may still come";
  stream.add(1, result(11), 8);
  EXPECT_EQ(next(stream), "11");
  EXPECT_EQ(next(stream), "12");
  EXPECT_EQ(next(stream), "error");
  EXPECT_EQ(next(stream), "error");
  EXPECT_EQ(next(stream), "not ready") << "there may be more";
  stream.end(5);
  EXPECT_EQ(next(stream), "end");
  EXPECT_EQ(next(stream), "end");
}

TEST(PoolStream, GivesTheReasonAsItCameWhereResultsDoSo) {
  Stream<int> stream(StreamOrder::as_they_come);
  stream.expect(3);
  stream.add(2, result(12), 8);
  stream.lack(1, 1, no_memory());
  stream.add(0, result(10), 8);
  EXPECT_EQ(next(stream), "12");
  EXPECT_EQ(next(stream), "error");
  EXPECT_EQ(next(stream), "10");
  EXPECT_EQ(next(stream), "not ready");
  stream.end(3);
  EXPECT_EQ(next(stream), "end");
}

// There is no memory to unpack it here.
struct NeverFits {
  template <class Packer>
  void msgpack_pack(Packer& packer) const {
    packer.pack(1);
  }
  void msgpack_unpack(const msgpack::object&) { throw std::bad_alloc(); }
};

// Three results, as a worker writes them.
std::string three_results() {
  std::string results;
  for (const int value : {10, 11, 12}) {
    append_bytes(results, CallEnd::returned);
    pack_item(results, value);
  }
  return results;
}

TEST(PoolCollectors, ResultsOfAnImapForWhichThereIsNoMemoryAreErrorsInTheirPlaces) {
  const auto stream = std::make_shared<Stream<int>>(StreamOrder::as_called);
  Streaming<int> collector(stream);
  const std::string results = three_results();
  collector.expect(6);
  {
    const test::FailingNewElsewhere none;
    std::thread([&] { collector.take(0, 3, MessageReader(results)); }).join();
  }
  collector.take(3, 3, MessageReader(results));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(next(*stream), "error");
  for (const char* value : {"10", "11", "12"}) EXPECT_EQ(next(*stream), value);
}

TEST(PoolCollectors, AResultForWhichThereIsNoMemoryIsNotCalledUnreadable) {
  std::string results;
  append_bytes(results, CallEnd::returned);
  pack_item(results, NeverFits());
  const auto future = std::make_shared<core::FutureValue<NeverFits>>();
  Job job(1, "", std::make_unique<One<NeverFits>>(future), Job::Tells::nothing);
  EXPECT_FALSE(job.complete(1));
  EXPECT_TRUE(job.deliver({0, 1, "", nullptr}, results));
  job.finish();
  EXPECT_THROW(future->rethrow(), std::bad_alloc);
}

}  // namespace
}  // namespace steward::detail::pool
