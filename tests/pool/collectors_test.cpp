// What a walk over results gives where there was no memory for some of them.
#include <cstddef>
#include <exception>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>

#include <gtest/gtest.h>

#include <steward/core/future_state.hpp>
#include <steward/pool/collectors.hpp>

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
  stream.add(0, result(10), 8);
  stream.lack(no_memory());
  stream.add(2, result(12), 8);
  EXPECT_EQ(next(stream), "10");
  EXPECT_EQ(next(stream), "not ready") << "it may still come";
  stream.end(4);
  EXPECT_EQ(next(stream), "error");
  EXPECT_EQ(next(stream), "12");
  EXPECT_EQ(next(stream), "error");
  EXPECT_EQ(next(stream), "end");
  EXPECT_EQ(next(stream), "end");
}

TEST(PoolStream, GivesTheReasonBehindAllResultsThatCame) {
  Stream<int> stream(StreamOrder::as_they_come);
  stream.lack(no_memory());
  stream.add(2, result(12), 8);
  stream.add(0, result(10), 8);
  EXPECT_EQ(next(stream), "12");
  stream.end(3);
  EXPECT_EQ(next(stream), "10");
  EXPECT_EQ(next(stream), "error");
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
