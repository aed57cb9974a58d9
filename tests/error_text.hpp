// The text of an error that has to come.
#pragma once

#include <exception>
#include <functional>
#include <string>

#include <gtest/gtest.h>

namespace steward::detail::test {

// Of the error that the call must throw.
template <class Error>
std::string text_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  } catch (const std::exception& error) {
    ADD_FAILURE() << "another error: " << error.what();
  }
  return {};
}

}  // namespace steward::detail::test
