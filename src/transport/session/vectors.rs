//! Sessions and other cookies, made by the packages themselves: next-auth 4.24.15, @auth/core 0.41.3 (next-auth 5), jose 6.

/// Of all of them.
pub const SECRET: &str = "a secret of the site, with a comma and 32 bytes";
/// When they were made, to the second or two. Sessions last 30 days.
pub const MADE_AT_MS: i64 = 1_795_289_312_000;

/// By `encode` of `next-auth/jwt`.
pub const NEXT_AUTH_4: &str = concat!(
    "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..DEr_hdBphfzWYWHi.3pxa4lFD3f_IhFCpjiDdP3296NUb6weUCeTuLldwE0tIm1J4JK",
    "69xcF-9ScyI-yKP_XR5s2GS1nOWTVcUGlqhJcImFNKPbNm9gXpMvlkX70JCgornDcQCJ9t2XuJ_qbioEw9WAAyo5miVPrJlRatxPh-MBOCvt",
    "5QL-l75tYeG6NK1I3a56DrD2Yj7N9GHXzIHbQ4fi_Q9xK6uFPmEvRJ7skFbgkV51bgV1IZjaGvOemhlElni-_N.QgNmj1NUXGJQ8bcjF5a6E",
    "w",
);

/// By `encode` of `@auth/core/jwt`, with `authjs.session-token` as salt.
pub const AUTH_JS_5: &str = concat!(
    "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2Q0JDLUhTNTEyIiwia2lkIjoiWnhyQmx3SGxYZTFyamw4OXg4WXlYNEFnbzRDbHJDSWtVSTY5M1B3",
    "bjZ3NGh3TjNmZU1wVDFFdGdHaHlyWVpfemJsZTFQbi1DcFdfZGpkRHE5R0ZZUGcifQ..u8-9Dwx8eFzQzQDmKO-hDg.a488q5qIvbLWRUmqs",
    "kCWLGPCUkrXqnwJ9uL2V4rxdspsLLhARB4yBx6rUsIpJXBV42nvJwHUB0cInVRW54RIYdFx1cIakedpfCVwuqjX2OA6NBgRM-vOB6OlMoOgc",
    "S8H4tqoHYw1y_I0KrmdKY4T_FnXrywzu9NdwwIUiWYtOCMHTqZkVqORXhYX2EocPbuVQreGm7mctW8C7QnxKBqyG6K83CyGSl25uKRFQwOo7",
    "NIoNVUuma9jq-rm8rv3qPDs.Sebk8tb8nvF4TMZrRis3REb7npg96qqY7MlNioq46V8",
);

/// By `encode` of `@auth/core/jwt`, with `__Secure-authjs.session-token` as salt.
pub const AUTH_JS_5_SECURE: &str = concat!(
    "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2Q0JDLUhTNTEyIiwia2lkIjoiNkJBUi14UDY2dkxieEl0ZG00elc2aTBZaXdPNm1MR3dzQ3NaUUZs",
    "YjBGY2FlYnB5WTJMSlUxQ3VBbkdNWGh6cGk5a0dPY2J1cHFobXg1VVlwUVJnN2cifQ..lkXrjmRwgejMY7pRBL7H-w.2a_ofbHmXv7eN8_N-",
    "lUjDbHY7YyeDeRYC8oNdKmgtU_oDBI_wnuzRPrdsJUUfwsb3tqc6ARYjaAyPDvVDuYP-0pLfyt-8ielKkSNcd87RVCeyfqIibh9rxR0BqLWx",
    "ZVTrpxWxzZqtvNmtmG-lPox0OoUFwMyU64vzHYs4chkbhmWwn4xx0MOILaVgwkbgRzTXrY9iRsCcgLJmKNO1FVulXLVdnfs-SdVQteI2fIEg",
    "OEAj_-5Nmyl5h5kXAcbZJ00.zeImzZ2YN2yiX-8QYQL_oby0nShHgAEhduLGCAlfhTI",
);

/// By `jose`, since `encode` of `@auth/core/jwt` writes A256CBC-HS512 alone; its `decode` takes this one as well.
pub const AUTH_JS_5_GCM: &str = concat!(
    "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..zF9Z-Iseiy3blX_P.cj1VYb7NMM7VPUp2g8Fa1PgXy_fJQBQEnaZ8kMqVlZbBoVpUa1",
    "hiufoVRL8lfoQrxIQ5A7Oj2kSeF0G-L3nc8oyj91tfBSVDlN7Srmhcm7e5efrhGoi2Q0JiP_sMfrJys2acctKZHW3MRgYB9jiAsKemCBnJrl",
    "Pu0Tg5qgrHMs7tA6b645RIHg-1OfvRlUgFx2P3bJ8.kLjvJujEcJiD4xZdmZJRoA",
);

/// What NextAuth 4 keeps in its cookie `next-auth.state`.
pub const NEXT_AUTH_4_STATE: &str = concat!(
    "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..bkqoWVEr85fhItlL.xMCeFayI9SOvMv_7mdAeHx1-r8VlSFlxHcyMJcMuBoK3A9TzGW",
    "mLPFuSHIOtuzpwmtL0g-ipHyceP-W090aUqCUj_A2QNtOhXv1dbWuG9QAPkvlo2vo_A15oDlafkNnnlPHYTaGx6oE.MDHqMAZRJZzZt8MDX6",
    "H0uw",
);

/// The same of next-auth before 4.24.5, without a salt (CVE-2023-48309).
pub const NEXT_AUTH_4_OLD_STATE: &str = concat!(
    "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..jmG9o9oyhw3oIeXC.5Hz_yQYY00cXrAGZW22rGfdiL9713oiHuXuvN9T_2XdC81pOc4",
    "oCWWLNPG_3jBK5mb9b4He3ec9VAOIiZTGjHrwCr7HOm7VFYlTqiWyaqKCXj66y0qhcfTdDODE.i-_V6VB74laYzEp7cgfH2w",
);

/// What Auth.js keeps in its cookie `authjs.state`.
pub const AUTH_JS_5_STATE: &str = concat!(
    "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2Q0JDLUhTNTEyIiwia2lkIjoia1hLU0kyQllRbjIteVBDZk1nNnZLR21MdDV0NEhoM3JwV3NiNnNJ",
    "VnA5dFFNRGpNRU1UeDFjN0pyMFNxdnhzb29TLW5VS3pyRXBmWGVtUFI2a1loZ0EifQ..DIlIiFb-3lg_G8uW81zKHw.ex8Jn-HfmFPA_d4_w",
    "XvWAoDq2M7OJuhMicmicoEV-5rUQ4CrBQvgVvChwqbAMCEbV6E-Z4IUylO7_RaDeHBeHlbkEIgbeTDxKuYOKF0tor7ngrD9XL7JLgxDZOYsS",
    "AiL.K-fgGH7t2o8cN2uzE5NygXIp0VZVXAxUToQqYrvH0Kw",
);
