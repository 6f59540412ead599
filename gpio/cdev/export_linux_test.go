package cdev

// For tests outside the package.
var Encode = encode
