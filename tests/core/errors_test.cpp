#include <steward/core/errors.hpp>

#include <any>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <set>
#include <typeinfo>
#include <variant>

#include <gtest/gtest.h>

namespace steward {
namespace {

using detail::core::ErrorCode;
using detail::core::throw_error;

// Whether `throw_error(code)` is caught as `As`, with its text in both interfaces.
template <class As>
bool caught_as(ErrorCode code, const std::string& type_name = {}) {
  try {
    throw_error(code, "the text", type_name);
  } catch (const As& error) {
    EXPECT_STREQ(error.what(), "the text");
    return true;
  } catch (...) {
    return false;
  }
}

template <class As>
class NamedError : public testing::Test {};

template <class Class, ErrorCode code>
struct Pair {
  using Exception = Class;
  static constexpr ErrorCode kCode = code;
};

using Pairs = testing::Types<
    Pair<BadCall, ErrorCode::bad_call>, Pair<StaleHandle, ErrorCode::stale_handle>,
    Pair<TimeoutError, ErrorCode::timed_out>, Pair<Closed, ErrorCode::closed>,
    Pair<NotOwner, ErrorCode::not_owner>, Pair<Poisoned, ErrorCode::poisoned>,
    Pair<BrokenBarrier, ErrorCode::broken_barrier>, Pair<Overloaded, ErrorCode::overloaded>,
    Pair<Disconnected, ErrorCode::disconnected>,
    Pair<OutcomeUnknown, ErrorCode::outcome_unknown>,
    Pair<AuthenticationError, ErrorCode::authentication>,
    Pair<WorkerDied, ErrorCode::worker_died>>;
TYPED_TEST_SUITE(NamedError, Pairs);

TYPED_TEST(NamedError, IsThrownForItsCodeAndCaughtAsEachOfItsTypes) {
  using Exception = typename TypeParam::Exception;
  EXPECT_TRUE(caught_as<Exception>(TypeParam::kCode));
  EXPECT_TRUE(caught_as<std::runtime_error>(TypeParam::kCode));
  EXPECT_TRUE(caught_as<std::exception>(TypeParam::kCode));
  EXPECT_TRUE(caught_as<Error>(TypeParam::kCode));
  EXPECT_FALSE(caught_as<RemoteError>(TypeParam::kCode));
  EXPECT_FALSE(caught_as<std::logic_error>(TypeParam::kCode));
}

TYPED_TEST(NamedError, HasOneTextWhicheverWayItIsAsked) {
  const typename TypeParam::Exception error("said once");
  EXPECT_STREQ(error.what(), "said once");
  EXPECT_STREQ(static_cast<const std::exception&>(error).what(), "said once");
  EXPECT_STREQ(static_cast<const Error&>(error).what(), "said once");
}

TYPED_TEST(NamedError, IsNoOtherNamedError) {
  int caught = 0;
  caught += caught_as<BadCall>(TypeParam::kCode) + caught_as<StaleHandle>(TypeParam::kCode) +
            caught_as<TimeoutError>(TypeParam::kCode) + caught_as<Closed>(TypeParam::kCode) +
            caught_as<NotOwner>(TypeParam::kCode) + caught_as<Poisoned>(TypeParam::kCode) +
            caught_as<BrokenBarrier>(TypeParam::kCode) + caught_as<Overloaded>(TypeParam::kCode);
  caught += caught_as<Disconnected>(TypeParam::kCode) +
            caught_as<OutcomeUnknown>(TypeParam::kCode) +
            caught_as<AuthenticationError>(TypeParam::kCode) +
            caught_as<WorkerDied>(TypeParam::kCode);
  EXPECT_EQ(caught, 1);
}

TEST(Errors, OutOfRangeIsTheStandardOneAndAnError) {
  EXPECT_TRUE(caught_as<std::out_of_range>(ErrorCode::out_of_range));
  EXPECT_TRUE(caught_as<std::exception>(ErrorCode::out_of_range));
  EXPECT_TRUE(caught_as<Error>(ErrorCode::out_of_range));
  EXPECT_FALSE(caught_as<RemoteError>(ErrorCode::out_of_range));
}

TEST(Errors, ACodeWithoutAnExceptionBecomesABadCallThatNamesIt) {
  for (const int code : {0, 15, 16, 17, 18, 255}) {
    try {
      throw_error(static_cast<ErrorCode>(code), "the text");
    } catch (const BadCall& error) {
      EXPECT_EQ(error.what(), "unknown error code " + std::to_string(code) + ": the text");
    }
  }
}

TEST(Errors, KeepTheirNumbers) {
  EXPECT_EQ(static_cast<int>(ErrorCode::ok), 0);
  EXPECT_EQ(static_cast<int>(ErrorCode::bad_call), 1);
  EXPECT_EQ(static_cast<int>(ErrorCode::out_of_range), 2);
  EXPECT_EQ(static_cast<int>(ErrorCode::stale_handle), 3);
  EXPECT_EQ(static_cast<int>(ErrorCode::timed_out), 4);
  EXPECT_EQ(static_cast<int>(ErrorCode::closed), 5);
  EXPECT_EQ(static_cast<int>(ErrorCode::not_owner), 6);
  EXPECT_EQ(static_cast<int>(ErrorCode::poisoned), 7);
  EXPECT_EQ(static_cast<int>(ErrorCode::broken_barrier), 8);
  EXPECT_EQ(static_cast<int>(ErrorCode::overloaded), 9);
  EXPECT_EQ(static_cast<int>(ErrorCode::disconnected), 10);
  EXPECT_EQ(static_cast<int>(ErrorCode::outcome_unknown), 11);
  EXPECT_EQ(static_cast<int>(ErrorCode::authentication), 12);
  EXPECT_EQ(static_cast<int>(ErrorCode::worker_died), 13);
  EXPECT_EQ(static_cast<int>(ErrorCode::remote), 14);
  EXPECT_EQ(static_cast<int>(ErrorCode::moved), 15);
  EXPECT_EQ(static_cast<int>(ErrorCode::retry_later), 16);
  EXPECT_EQ(static_cast<int>(ErrorCode::unavailable), 17);
}

// ---- Errors of user classes ----

template <class Std>
void expect_own_type(const std::string& type_name) {
  EXPECT_TRUE(caught_as<Std>(ErrorCode::remote, type_name)) << type_name;
  EXPECT_TRUE(caught_as<std::exception>(ErrorCode::remote, type_name)) << type_name;
  EXPECT_TRUE(caught_as<Error>(ErrorCode::remote, type_name)) << type_name;
  try {
    throw_error(ErrorCode::remote, "the text", type_name);
  } catch (const RemoteError& error) {
    EXPECT_EQ(error.type_name(), type_name);
    EXPECT_STREQ(error.what(), "the text");
  }
}

TEST(RemoteErrors, OfStandardTypesAreOfTheirOwnType) {
  expect_own_type<std::logic_error>("std::logic_error");
  expect_own_type<std::invalid_argument>("std::invalid_argument");
  expect_own_type<std::domain_error>("std::domain_error");
  expect_own_type<std::length_error>("std::length_error");
  expect_own_type<std::out_of_range>("std::out_of_range");
  expect_own_type<std::runtime_error>("std::runtime_error");
  expect_own_type<std::range_error>("std::range_error");
  expect_own_type<std::overflow_error>("std::overflow_error");
  expect_own_type<std::underflow_error>("std::underflow_error");
}

TEST(RemoteErrors, OfStandardTypesWithoutATextHaveItAllTheSame) {
  expect_own_type<std::bad_alloc>("std::bad_alloc");
  expect_own_type<std::bad_array_new_length>("std::bad_array_new_length");
  expect_own_type<std::bad_cast>("std::bad_cast");
  expect_own_type<std::bad_any_cast>("std::bad_any_cast");
  expect_own_type<std::bad_optional_access>("std::bad_optional_access");
  expect_own_type<std::bad_variant_access>("std::bad_variant_access");
  expect_own_type<std::bad_function_call>("std::bad_function_call");
  expect_own_type<std::bad_weak_ptr>("std::bad_weak_ptr");
}

TEST(RemoteErrors, OfUnknownTypesAreRuntimeErrorsWithTheirName) {
  expect_own_type<std::runtime_error>("bank::Overdrawn");
  expect_own_type<std::runtime_error>("");
  EXPECT_FALSE(caught_as<std::out_of_range>(ErrorCode::remote, "bank::out_of_range"));
}

TEST(RemoteErrors, CanBeCopiedAndThrownAgain) {
  try {
    try {
      throw_error(ErrorCode::remote, "the text", "std::overflow_error");
    } catch (const detail::core::RemoteThrown<std::overflow_error>& error) {
      throw detail::core::RemoteThrown<std::overflow_error>(error);
    }
  } catch (const RemoteError& error) {
    EXPECT_STREQ(error.what(), "the text");
    EXPECT_EQ(error.type_name(), "std::overflow_error");
  }
}

TEST(RemoteErrors, AreNotTheLibrarysOwn) {
  EXPECT_FALSE(caught_as<detail::core::OutOfRange>(ErrorCode::remote, "std::out_of_range"));
  EXPECT_FALSE(caught_as<detail::core::Failure>(ErrorCode::remote, "std::runtime_error"));
}

}  // namespace
}  // namespace steward
